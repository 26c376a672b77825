"""Bentos as they are built and proven for real, and as they are refused."""

import ast
import json
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tasks.core.errors import (
    BuildFailed,
    ProofFailed,
    StoreError,
)
from tasks.processes.bento_server import booting_server, is_ready
from tasks.registry.ledger import read_ledger
from tasks.registry.released_bento import bento_path, find_bento, get_bento
from tasks.registry.versions import MANIFEST, Published, get_version, publish
from tasks.serving import bento_archive, bento_build, task
from tasks.serving.acceptance_test import Proof
from tasks.serving.acceptance_test import prove as prove_served
from tasks.serving.bento_archive import (
    bento_tag,
    find_difference,
    publish_bento,
    read_proof,
)
from tasks.serving.bento_build import (
    Bento,
    check_model,
    make_bento,
    needed_modules,
)
from tasks.serving.requirements import SERVING, close_requirements, read_pins, serving_requirements
from tasks.serving.task import prove_bento
from tasks.storage.store import Store, open_store
from tools.elsewhere import prove_elsewhere

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


@pytest.fixture(scope="module")
def built_once(released_once: "Released", tmp_path_factory: pytest.TempPathFactory) -> Bento:
    """Build the newer candidate's bento, once for all tests of this file."""
    folder = tmp_path_factory.mktemp("built") / ".perennial"  # BentoML is wary of hidden folders
    folder.mkdir()
    store = open_store(str(released_once.root))
    return make_bento(store, get_version(store, MODEL, released_once.newer), folder)


@pytest.fixture
def built(built_once: Bento, tmp_path: Path) -> Bento:
    """Give a test its own copy of that bento."""
    copied = tmp_path / "bento"
    shutil.copytree(built_once.folder, copied)
    return Bento(folder=copied, tag=built_once.tag)


def prove(store: Store, version: str, bento: Bento, folder: Path) -> Published:
    folder.mkdir()
    return prove_bento.fn(store.root, MODEL, version, bento, folder)


def children_in(folder: Path) -> list[psutil.Process]:
    """List the living processes that work in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(process.info["cmdline"] or ()) and process.pid:
            found.append(process)
    return [each for each in found if each.pid != psutil.Process().pid]


def test_bento_holds_exactly_the_approved_files(built: Bento, newer: Published) -> None:
    check_model(built, newer)
    held = {path.name for path in (built.folder / "src" / "model").iterdir()}
    assert held == {*newer.manifest.files, "MANIFEST.json"}
    code = {path.name for path in (built.folder / "src").iterdir() if path.is_dir()}
    assert code == {"bentos", "model", "tasks"}
    assert not list(built.folder.rglob("*.pkl"))


def test_bento_needs_nothing_that_it_does_not_pin(built: Bento) -> None:
    pinned = set(read_pins((built.folder / "env/python/requirements.txt").read_text()))
    assert close_requirements("bentoml", *SERVING) <= {name.lower() for name in pinned}
    assert not {"prefect", "whylogs", "altair"} & pinned
    imported = set()
    for module in needed_modules():
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"bentos", "tasks"}
    assert "llvmlite" in pinned  # this definition asks for it
    assert "llvmlite" not in serving_requirements()
    owners = packages_distributions()  # BentoML's modules have more names than one
    owned = {owners.get(name, [name])[0].lower() for name in foreign}
    assert {name.replace("-", "_") for name in owned} <= {n.replace("-", "_") for n in pinned}
    assert (built.folder / "src/bentos/page.html").is_file()
    described = json.loads((built.folder / "apis/schema.json").read_text())
    assert {each["name"] for each in described["routes"]} == {"predict", "explain"}


def test_proof_keeps_its_numbers_and_leaves_no_process(
    released: "Released", store: Store, built: Bento, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    proven = prove(store, released.newer, built, work)
    proof = read_proof(store, proven)
    assert proof.rows > 100
    assert proof.largest_difference == 0
    assert proof.predictor == "compiled"
    assert len(proof.bad_requests) >= 8
    assert all(400 <= status < 500 for status in proof.bad_requests.values())
    assert 0 < proof.p50_ms <= proof.p99_ms
    assert not children_in(built.folder)


def test_bento_that_was_built_at_another_time_is_the_same(built: Bento, tmp_path: Path) -> None:
    """That one which lies there already is proven again: `tests/flows/test_release.py`."""
    theirs = tmp_path / "theirs"
    shutil.copytree(built.folder, theirs)
    about = theirs / "bento.yaml"
    about.write_text(re.sub("creation_time: '....", "creation_time: '1999", about.read_text()))
    compiled = built.folder / "src" / "bentos" / "__pycache__"
    compiled.mkdir(exist_ok=True)
    (compiled / "x.pyc").touch()
    assert find_difference(built.folder, theirs) == ""
    assert find_difference(theirs, built.folder) == "src/bentos/__pycache__/x.pyc"


def plant(store: Store, built: Bento, published: Published, folder: Path, **said: Any) -> None:
    """Put a bento where that of a version is looked for, beside a proof that it passes."""
    _, model, version = published.path.split("/")
    numbers: dict[str, Any] = {
        "model": model,
        "version": version,
        "manifest": published.digest,
        "rows": 1,
        "left_out": 0,
        "largest_difference": 0,
        "bad_requests": {},
        "requests": 1,
        "p50_ms": 1,
        "p99_ms": 1,
        "budget_ms": 1,
        "seconds": 1,
    }
    folder.mkdir()
    assert publish_bento(store, built.folder, Proof.model_validate(numbers | said), folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/bentos/service.py", "service = bentoml", "print('mine')\nservice = bentoml"),
        ("src/model/model.txt", "leaf_value=", "leaf_value=-"),
        ("src/bentos/__pycache__/service.cpython-311.pyc", "", "code"),
        ("src/sitecustomize.py", "", "print('mine')"),
        ("bento.yaml", "service: bentos.service:service", "service: bentos.other:service"),
        ("bento.yaml", "creation_time: '", "creation_time: !!python/name:os.system '"),
        ("bento.yaml", "envs:\n", "envs:\n- name: PYTHONSTARTUP\n  value: /tmp/x.py\n"),
        ("env/python/requirements.txt", "polars==", "polars-mine=="),
    ],
)
def test_planted_bento_is_neither_run_nor_released(
    released: "Released",
    store: Store,
    built: Bento,
    newer: Published,
    tmp_path: Path,
    file: str,
    old: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever may write to the root put one there before the version was approved."""
    theirs = Bento(folder=tmp_path / "theirs", tag=built.tag)
    shutil.copytree(built.folder, theirs.folder)
    path = theirs.folder / file
    path.parent.mkdir(exist_ok=True)
    text = path.read_text() if old else ""
    path.write_text(text.replace(old, new, 1) if old else new)
    assert path.read_text() != text
    monkeypatch.setattr(bento_archive, "_leave_compiled", lambda member: member)
    plant(store, theirs, newer, tmp_path / "planted")
    for asks in (bento_build, task):
        monkeypatch.setattr(asks, "prove", lambda *_: pytest.fail("it was run"))
    with pytest.raises(StoreError, match=f"{re.escape(file)} differs; find out who put it there"):
        prove(store, released.newer, built, tmp_path / "work")


def test_bento_beside_a_made_up_proof_is_not_released(
    released: "Released", store: Store, built: Bento, newer: Published, tmp_path: Path
) -> None:
    plant(store, built, newer, tmp_path / "planted")
    with pytest.raises(StoreError, match="its proof differs; find out who put it there, remove"):
        prove(store, released.newer, built, tmp_path / "work")


@pytest.mark.parametrize("named", ["model", "version", "manifest"])
def test_bento_that_was_proven_for_other_files_does_not_count(
    store: Store, built: Bento, newer: Published, tmp_path: Path, named: str
) -> None:
    other = open_store(str(tmp_path / "other"))
    plant(other, built, newer, tmp_path / "planted")
    path = Path(other.root, bento_path(MODEL, newer.version))
    proof = json.loads((path / "proof.json").read_text()) | {named: "other"}
    (path / MANIFEST).unlink()
    (path / "proof.json").write_text(json.dumps(proof))
    shutil.move(path, tmp_path / "made")
    bento = publish(other, tmp_path / "made", bento_path(MODEL, newer.version))
    entry = read_ledger(store, MODEL)[-1].model_copy(
        update={"version": newer.version, "manifest": newer.digest, "bento": bento.digest}
    )
    with pytest.raises(StoreError, match="was proven for other files"):
        get_bento(other, MODEL, entry)


def test_tampered_model_is_refused(
    released: "Released", store: Store, built: Bento, tmp_path: Path
) -> None:
    model = built.folder / "src" / "model" / "model.txt"
    model.write_text(model.read_text().replace("leaf_value=", "leaf_value=0.5 ", 1))
    with pytest.raises(ProofFailed, match=r"model\.txt in the bento is not the one"):
        prove(store, released.newer, built, tmp_path / "work")
    assert find_bento(store, MODEL, released.newer) is None


def test_bento_with_another_version_is_refused(
    released: "Released", store: Store, built: Bento, tmp_path: Path
) -> None:
    other = get_version(store, MODEL, released.older)
    model = built.folder / "src" / "model"
    shutil.rmtree(model)
    shutil.copytree(released.root / other.path, model)
    with pytest.raises(ProofFailed, match="not the one that was approved"):
        prove(store, released.newer, built, tmp_path / "work")


def test_answers_that_differ_from_training_are_refused(
    released: "Released", store: Store, built: Bento, tmp_path: Path
) -> None:
    answers = built.folder / "src" / "bentos" / "prediction_pipeline.py"
    text = answers.read_text()
    changed = text.replace("predicted.tolist()", "(predicted + 1e-12).tolist()")
    assert changed != text
    answers.write_text(changed)
    with pytest.raises(ProofFailed, match="differs from training"):
        prove(store, released.newer, built, tmp_path / "work")
    assert find_bento(store, MODEL, released.newer) is None
    assert not children_in(built.folder)


def test_bento_that_is_slower_than_its_budget_is_refused(
    released: "Released", newer: Published, built: Bento, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    shutil.copytree(released.root / newer.path, slow)
    (slow / MANIFEST).unlink()
    definition = slow / "definition.toml"
    text = definition.read_text()
    definition.write_text(text.replace("latency_budget_ms = 5000", "latency_budget_ms = 0.001"))
    other = open_store(str(tmp_path / "other"))
    shutil.copytree(released.root / "snapshots", tmp_path / "other" / "snapshots")
    published = publish(other, slow, newer.path)
    (tmp_path / "work").mkdir()
    with pytest.raises(ProofFailed, match=r"p99 is .* ms, the budget 0\.001 ms"):
        prove_served(other, published, built.folder, tmp_path / "work")


def test_server_that_cannot_start_is_a_failure_with_its_reason(
    built: Bento, tmp_path: Path
) -> None:
    service = built.folder / "src" / "bentos" / "service.py"
    service.write_text("raise RuntimeError('no such service')\n")
    with (
        pytest.raises(BuildFailed, match="no such service"),
        booting_server(built.folder, tmp_path / "home") as server,
    ):
        server.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_server_ends_when_its_parent_is_killed(built: Bento, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tasks.processes.bento_server import booting_server\n"
        "with booting_server(Path(sys.argv[1]), Path(sys.argv[2])) as server:\n"
        "    server.wait(); print(server.port, flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", script, str(built.folder), str(tmp_path / "home")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert is_ready(port)
        parent.kill()
    deadline = time.monotonic() + 20
    while children_in(built.folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children_in(built.folder)


def test_exported_bento_answers_elsewhere_as_before(
    store: Store, released: "Released", tmp_path: Path
) -> None:
    version = get_version(store, MODEL, released.older)
    assert prove_elsewhere(store, version, sys.executable, tmp_path) > 100
    assert bento_tag(MODEL, released.older).replace(":", "/") in {
        each.relative_to(released.home / "bentos").as_posix()
        for each in (released.home / "bentos").glob("*/*")
    }


def test_bento_with_another_manifest_is_refused(built: Bento, newer: Published) -> None:
    manifest = built.folder / "src" / "model" / "MANIFEST.json"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(ProofFailed, match="holds another version than the one that was approved"):
        check_model(built, newer)


def test_what_bentoml_says_when_it_cannot_build_is_told(
    released: "Released", store: Store, newer: Published, tmp_path: Path, monkeypatch: Any
) -> None:
    fail = ["sh", "-c", "echo no room >&2; exit 1"]
    monkeypatch.setattr(bento_build, "leash", lambda *words: fail)
    (tmp_path / "work").mkdir()
    with pytest.raises(BuildFailed, match="cannot be built: no room"):
        make_bento(store, newer, tmp_path / "work")


def test_model_may_be_called_what_a_terminal_makes_a_picture_of(
    released: "Released", newer: Published, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    shutil.copytree(released.root / newer.path, files)
    other = open_store(str(tmp_path / "other"))
    (tmp_path / "work").mkdir()
    published = publish(other, files, f"models/taxi/{newer.version}")
    bento = make_bento(other, published, tmp_path / "work")
    check_model(bento, published)
    assert bento.tag == bento_tag("taxi", newer.version)
