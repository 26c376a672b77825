"""The drill of the registry: files, decisions and bentos tampered with, in copies of the root.

Responsible for what is tampered with, and for asking those who read it. The root is not touched.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from tasks.core.data_sections import Source
from tasks.core.errors import PerennialError, StorageFull, first_line
from tasks.drill.testbed import Drilled, Testbed, make_folder
from tasks.registry.ledger import Sign, append_entry, read_ledger
from tasks.registry.signatures import make_key, sign
from tasks.registry.trusted_ledger import check_signatures, refuse_shorter, see
from tasks.registry.version_status import refuse_closed
from tasks.registry.versions import (
    MANIFEST,
    check_files,
    find_champion,
    find_version,
    name_version,
    read_file,
)
from tasks.serving.acceptance_test import Proof
from tasks.serving.bento_archive import publish_bento
from tasks.serving.bento_build import Bento, check_model, make_bento
from tasks.serving.task import prove_bento
from tasks.sources.file_formats import read_whole
from tasks.storage.store import Store, open_store


def drill_registry(testbed: Testbed, folder: Path) -> Iterator[Drilled]:
    """Tamper with copies of files, decisions and bentos, and ask whoever reads them."""
    bento = make_bento(testbed.store, testbed.published, make_folder(folder, "bento"))
    yield catch("truncated file", "extraction", lambda: read_truncated(testbed, folder))
    yield find_done(testbed)
    for fault, guard, spoil in (
        ("tampered model file", "manifest", read_tampered),
        ("forged approval", "ledger", read_forged),
        ("missing approval", "ledger", read_unapproved),
        ("edited report", "manifest", read_edited),
        ("forged chain", "signers", read_forged_chain),
        ("other signer", "signers", read_other_signer),
        ("truncated chain", "memory", read_truncated_chain),
        ("late partition", "decisions", release_older),
        ("planted bento", "release", partial(release_planted, bento)),
        ("bento with another model", "proof", partial(prove_other, bento)),
    ):
        if spoil is release_older and testbed.plan.as_of is None:
            continue
        if spoil is read_other_signer and not shutil.which("ssh-keygen"):
            continue
        place = make_folder(folder, fault.replace(" ", "-"))
        yield catch(fault, guard, lambda spoil=spoil, place=place: spoil(testbed, place))  # type: ignore[misc]


def catch(fault: str, guard: str, work: Callable[[], object]) -> Drilled:
    try:
        work()
    except StorageFull:
        raise  # it was no guard that stopped the work
    except PerennialError as error:
        return Drilled(fault=fault, guard=guard, detail=first_line(error))
    return Drilled(fault=fault, guard="", detail="")


def find_done(testbed: Testbed) -> Drilled:
    """Retrain on a stale snapshot: the same inputs are a version that exists."""
    plan = testbed.plan
    version = name_version(
        plan.as_of, plan.snapshot, plan.definition.digest, testbed.model.lineage["code"]
    )
    found = find_version(testbed.store, plan.definition.name, version)
    detail = f"the same inputs are {version}, which is there already: nothing is trained"
    return Drilled(
        fault="stale snapshot", guard="registry" if found else "", detail=detail if found else ""
    )


def read_truncated(testbed: Testbed, folder: Path) -> None:
    file = folder / "truncated.parquet"
    data = testbed.snapshot.parts[0].read_bytes()
    file.write_bytes(data[: len(data) // 2])
    read_whole(Source(uri=str(file)), str(file))


def copy_version(testbed: Testbed, folder: Path) -> Store:
    """Make a root that holds a copy of the version, and nothing else."""
    store, published = open_store(str(folder / "root")), testbed.published
    for name in published.manifest.files:
        store.create(published.path_of(name), read_file(testbed.store, published, name))
    manifest = f"{published.path}/{MANIFEST}"
    store.create(manifest, testbed.store.read(manifest))
    return store


def read_tampered(testbed: Testbed, folder: Path) -> None:
    store = copy_version(testbed, folder)
    file = Path(store.root, testbed.published.path_of("model.txt"))
    file.write_text(file.read_text().replace("num_leaves=", "num_leaves=1", 1))
    read_file(store, testbed.published, "model.txt")


def decide(testbed: Testbed, store: Store, *actions: str, sign: Sign | None = None) -> str:
    """Write decisions on the copy; give where the ledger is."""
    model = testbed.plan.definition.name
    for action in actions:
        append_entry(
            store,
            model,
            action=action,
            approver="drill",
            reason="drill",
            sign=sign,
            version=testbed.published.version,
            manifest=testbed.published.digest,
        )
    return f"models/{model}/ledger"


def read_forged(testbed: Testbed, folder: Path) -> None:
    store = copy_version(testbed, folder)
    entry = Path(store.root, decide(testbed, store, "approve", "release"), "000001.json")
    entry.write_text(entry.read_text().replace("drill", "somebody else"))
    find_champion(store, testbed.plan.definition.name)


def read_unapproved(testbed: Testbed, folder: Path) -> None:
    store = copy_version(testbed, folder)
    decide(testbed, store, "release")
    find_champion(store, testbed.plan.definition.name)


def read_edited(testbed: Testbed, folder: Path) -> None:
    """Edit a file that no step reads again, only people do."""
    store = copy_version(testbed, folder)
    file = Path(store.root, testbed.published.path_of("report.html"))
    file.write_text(file.read_text(encoding="utf-8").replace("<h1>", "<h1>fine: "), "utf-8")
    check_files(store, testbed.published)


def read_forged_chain(testbed: Testbed, folder: Path) -> None:
    """Make a version the champion as whoever can write to the root can, where signers are named."""
    store, model = copy_version(testbed, folder), testbed.plan.definition.name
    decide(testbed, store, "approve", "release")
    signers = folder / "signers"
    signers.touch()
    check_signatures(read_ledger(store, model), model, signers)


def read_other_signer(testbed: Testbed, folder: Path) -> None:
    """Sign decisions with a key that is none of the signers'."""
    store, model = copy_version(testbed, folder), testbed.plan.definition.name
    keys = {name: make_key(folder / name) for name in ("ours", "theirs")}
    allowed = {name: folder / f"{name}.signers" for name in keys}
    for name, key in keys.items():
        public = key.with_suffix(".pub").read_text(encoding="utf-8")
        allowed[name].write_text(f"drill {public}", encoding="utf-8")

    def signing(data: bytes, name: str) -> tuple[str, str]:
        made = sign(data, keys["theirs"], allowed["theirs"], name)
        return made.signer, made.armour

    decide(testbed, store, "approve", "release", sign=signing)
    check_signatures(read_ledger(store, model), model, allowed["theirs"])  # or no guard is asked
    check_signatures(read_ledger(store, model), model, allowed["ours"])


def read_truncated_chain(testbed: Testbed, folder: Path) -> None:
    """Take the newest decision away: what is left is a whole chain, too."""
    store, model = copy_version(testbed, folder), testbed.plan.definition.name
    ledger = Path(store.root, decide(testbed, store, "approve", "release"))
    seen = see(read_ledger(store, model))
    (ledger / "000002.json").unlink()
    refuse_shorter(read_ledger(store, model), seen, model)


def release_older(testbed: Testbed, folder: Path) -> None:
    """Decide on what a run made that had not seen the newest partition."""
    assert testbed.plan.as_of is not None, "without a time, no version is older than another"
    store = copy_version(testbed, folder)
    decide(testbed, store, "approve", "release")
    model = testbed.plan.definition.name
    older = name_version(testbed.plan.as_of - timedelta(days=1), "late")
    refuse_closed(read_ledger(store, model), model, older)


def release_planted(bento: Bento, testbed: Testbed, folder: Path) -> None:
    """Put a bento that runs other code where a release looks first, beside a made-up proof."""
    store, published = copy_version(testbed, folder), testbed.published
    model, version = testbed.plan.definition.name, published.version
    theirs = folder / "theirs"
    shutil.copytree(bento.folder, theirs)
    with (theirs / "src" / "bentos" / "service.py").open("a", encoding="utf-8") as service:
        service.write("print('planted')\n")
    proof = Proof(
        model=model,
        version=version,
        manifest=published.digest,
        rows=1,
        left_out=0,
        largest_difference=0.0,
        bad_requests={},
        requests=1,
        p50_ms=1.0,
        p99_ms=1.0,
        budget_ms=1.0,
        seconds=1.0,
    )
    publish_bento(store, theirs, proof, folder)
    prove_bento.fn(store.root, model, version, bento, folder)


def prove_other(bento: Bento, testbed: Testbed, folder: Path) -> None:
    theirs = Bento(folder=folder / "theirs", tag=bento.tag)
    shutil.copytree(bento.folder, theirs.folder)
    file = theirs.folder / "src" / "model" / "model.txt"
    file.write_text(file.read_text().replace("num_leaves=", "num_leaves=1", 1))
    check_model(theirs, testbed.published)
