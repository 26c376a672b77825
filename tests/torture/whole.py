"""What must hold of a root after any fault: nothing is half, lost, or against what it says."""

import hashlib
import io
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from tasks.registry.ledger import Entry, read_ledger
from tasks.registry.overview import describe_model
from tasks.registry.released_bento import find_bento
from tasks.registry.version_status import is_older
from tasks.registry.versions import (
    MANIFEST,
    Published,
    find_all,
    find_champion,
    get_version,
    list_versions,
    read_file,
    read_files,
    read_json,
)
from tasks.serving.bento_archive import archive_name, bento_tag
from tasks.storage.store import Store

# Times, the run's own id, whylogs' randomised sketches and what is estimated from them: what may
# differ within the two files that are compared by value, and the three that are not compared.
_OF_THE_RUN = {"lineage.json": {"steps", "flow_run"}, "analysis.json": {"columns", "drift"}}
_NAMING = {"bento.yaml", "README.md", "src/sbom.json", "apis/openapi.yaml"}  # of a bento
_SKETCHED = {"profile.bin", "report.html", "report.md"}


class Inspector:
    """Looks at a whole root; what it has verified once is immutable, and is not read again."""

    def __init__(self, store: Store, model: str) -> None:
        self.store, self.model = store, model
        self._verified: set[str] = set()

    def look(self) -> None:
        """Raise whatever is wrong with the root."""
        for published in self._list():
            if published.digest not in self._verified:
                names = published.manifest.files
                read_files(self.store, [(published, name) for name in names])
                self._verified.add(published.digest)
        check_ledger(self.store, self.model, read_ledger(self.store, self.model))
        find_champion(self.store, self.model)
        described = describe_model(self.store, self.model)
        assert set(described["waiting"]) <= set(list_versions(self.store, self.model))

    def look_again(self) -> None:
        """Read every byte anew, and find nothing that no version needs."""
        self._verified.clear()
        self.look()
        for published in self._list():
            left = set(self.store.children(published.path))
            parts = {published.manifest.attempt} if published.manifest.attempt else set()
            files = {name.partition("/")[0] for name in published.manifest.files}
            assert left == {MANIFEST} | (parts or files), f"{published.path} holds {left}"

    def _list(self) -> Iterator[Published]:
        paths = [f"snapshots/{name}" for name in self.store.children("snapshots")]
        for kind in ("models", "bentos"):
            names = self.store.children(f"{kind}/{self.model}")
            paths += [f"{kind}/{self.model}/{name}" for name in names if name != "ledger"]
        yield from find_all(self.store, paths).values()


def check_ledger(store: Store, model: str, ledger: list[Entry]) -> None:
    """Hold each entry against what it is about, and against those before it."""
    champion = ""
    for entry in ledger:
        assert get_version(store, model, entry.version).digest == entry.manifest
        before = ledger[: entry.number - 1]
        if entry.action == "release":
            decided = [(each.action, each.version) for each in before]
            assert ("approve", entry.version) in decided, f"{entry} was not approved"
            assert ("release", entry.version) not in decided, f"{entry} was released twice"
            assert not is_older(entry.version, champion), f"{entry} is older than {champion}"
        if entry.action in ("release", "rollback"):
            bento = find_bento(store, model, entry.version)
            assert bento is not None
            assert bento.digest == entry.bento
            champion = entry.version


def compare_versions(ours: Published, here: Store, theirs: Published, there: Store) -> None:
    """Hold a version against that of an undisturbed run, file by file."""
    assert ours.version == theirs.version
    mine, other = ours.manifest.files, theirs.manifest.files
    assert set(mine) == set(other)
    differ = {name for name in mine if mine[name] != other[name]}
    wrong = differ - _SKETCHED - set(_OF_THE_RUN)
    assert not wrong, f"{ours.path}: {wrong} differ"
    for name, own in _OF_THE_RUN.items():
        found = [read_json(*each, name) for each in ((here, ours), (there, theirs))]
        kept = [{key: value for key, value in each.items() if key not in own} for each in found]
        assert kept[0] == kept[1], f"{ours.path}: {name} differs"


def check_bento(store: Store, model: str, version: str, like: str) -> None:
    """Hold a bento's model against the registry's, and its code against an undisturbed bento's."""
    model_files, others = split_bento(store, model, version)
    published = get_version(store, model, version)
    assert model_files == dict(published.manifest.files) | {MANIFEST: published.digest}
    undisturbed = split_bento(store, model, like)[1]
    differ = {name for name in others | undisturbed if others.get(name) != undisturbed.get(name)}
    assert not differ, f"{differ} of the bento are not those of an undisturbed one"


def split_bento(store: Store, model: str, version: str) -> tuple[dict[str, str], dict[str, str]]:
    """Give the digests of a bento's model files, and of its others but those that name it."""
    bento = find_bento(store, model, version)
    assert bento is not None
    files = dict(_read_archive(read_file(store, bento, archive_name(bento_tag(model, version)))))
    prefix = "src/model/"
    ours = {name.removeprefix(prefix): text for name, text in files.items() if prefix in name}
    return ours, {
        name: text
        for name, text in files.items()
        if not name.startswith(prefix) and name not in _NAMING
    }


def _read_archive(data: bytes) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                yield member.name.removeprefix("./"), hashlib.sha256(file.read()).hexdigest()


def wait_until_gone(folder: Path, spared: Iterable[int], seconds: float = 30) -> None:
    """Wait for the processes that killed runs left behind; they must end by themselves."""
    kept = set(spared)
    deadline = time.monotonic() + seconds
    while left := [each for each in _processes(folder) if each.pid not in kept]:
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.1)


def _processes(folder: Path) -> list[psutil.Process]:
    """List the living processes that were started in a run's work folder."""
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if f"{folder}/run-" in " ".join(each.info["cmdline"] or ())
    ]
