"""A name from a person, a manifest, a ledger or an archive reaches nothing outside of its place."""

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.drill import drill
from flows.score import score
from tasks.core.errors import DefinitionError, StoreError
from tasks.core.names import is_model, is_plain
from tasks.registry.decisions import Decision, DecisionAction
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.overview import describe_history, describe_model
from tasks.registry.released_bento import find_bento
from tasks.registry.task import decide
from tasks.registry.versions import (
    Published,
    find,
    find_champion,
    find_version,
    get_version,
    list_models,
    list_versions,
    publish,
)
from tasks.serving.bento_archive import unpack
from tasks.serving.champion_server import unpack_champion
from tasks.storage.folder import FolderStore
from tasks.storage.store import Store, open_store, work_folder

OUTSIDE = ("../x", "/x", "..", "a/../../x", "..\\x", "C:x", "C:\\x", "a//b", "./a", "a\x1b[31m", "")
OTHER_MODELS = ("a/b", "A", "a_b", "a.b", "-a", "a\n", "x" * 64, "é", "a" * 100_000)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "root"))


def put(store: Store, path: str) -> Published:
    with work_folder(store) as work:
        (work / "made").mkdir()
        (work / "made" / "model.txt").write_text("trees")
        return publish(store, work / "made", path)


def decide_on(action: DecisionAction) -> Callable[[Store, str], object]:
    def ask(store: Store, model: str) -> object:
        said = Decision(model=model, version="v", action=action, approver="A", reason="x")
        return decide.fn(store.root, said)

    return ask


def append(store: Store, model: str) -> object:
    said: Any = {"action": "reject", "version": "v", "manifest": "", "approver": "A", "reason": ""}
    return append_entry(store, model, **said)


WAYS: dict[str, Callable[[Any, str], object]] = {
    "approve": decide_on("approve"),
    "reject": decide_on("reject"),
    "rollback": decide_on("rollback"),
    "read_ledger": read_ledger,
    "append_entry": append,
    "find_champion": find_champion,
    "find_version": lambda store, model: find_version(store, model, "v"),
    "get_version": lambda store, model: get_version(store, model, "v"),
    "list_versions": list_versions,
    "find_bento": lambda store, model: find_bento(store, model, "v"),
    "status": describe_model,
    "history": describe_history,
    "serve": lambda store, model: unpack_champion(store, model, Path(store.root, "home")),
    "score": lambda _, model: score.fn(model, "in.csv", "out.csv"),
    "drill": lambda _, model: drill.fn(model),
}


@pytest.mark.parametrize("way", WAYS)
def test_model_is_named_as_a_model_can_be_on_every_way_in(
    way: str, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", store.root)
    put(store, "snapshots/v")
    before = sorted(tmp_path.rglob("*"))
    for name in (*OUTSIDE, "../snapshots", *OTHER_MODELS):
        with pytest.raises(DefinitionError, match="is no name of a model: it is small letters"):
            WAYS[way](store, name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["status", "history", "show", "serve", "reproduce", "reject"])
def test_command_takes_no_other_name_and_writes_nothing(
    command: str, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A rejection of `../snapshots` was an entry in a ledger among the snapshots."""
    monkeypatch.setenv("PERENNIAL_ROOT", store.root)
    monkeypatch.setattr("flows.python_api.check_server", lambda: None)
    published = put(store, "snapshots/v1")
    before = sorted(tmp_path.rglob("*"))
    words = ["v1"] if command in ("show", "reproduce", "reject") else []
    words += ["--as", "Ada", "--reason", "x"] if command == "reject" else []
    monkeypatch.setattr(sys, "argv", ["perennial", command, "../snapshots", *words])
    if command == "reject":  # the flow without its engine
        monkeypatch.setattr("flows.release.release", reject_plainly)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "'../snapshots' is no name of a model" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert find(store, "snapshots/v1") == published


def reject_plainly(model: str, version: str, *_: object) -> None:
    from tasks.registry.task import decide

    said = Decision(model=model, version=version, action="reject", approver="A", reason="x")
    decide.fn(open_store().root, said)


@pytest.mark.parametrize("name", [each for each in OUTSIDE if each])
@pytest.mark.parametrize("place", ["files", "attempt"])
def test_manifest_names_files_of_its_own_folder_only(
    name: str, place: str, store: FolderStore
) -> None:
    """Releasing a version wrote each file of its manifest where that said."""
    published = put(store, "models/m/v1")
    manifest = Path(store.root, "models/m/v1/MANIFEST.json")
    fields = json.loads(manifest.read_text())
    if place == "files":
        fields["files"][name] = fields["files"]["model.txt"]
    else:
        fields["attempt"] = name
    manifest.write_text(json.dumps(fields))
    with pytest.raises(StoreError, match=r"v1/MANIFEST.json: .* is no name of a file in it"):
        get_version(store, "m", published.version)


@pytest.mark.parametrize("version", [*OUTSIDE, "a/b", "-a", "v\n"])
def test_ledger_names_versions_only(version: str, store: FolderStore) -> None:
    append(store, "m")
    entry = Path(store.root, "models/m/ledger/000001.json")
    fields = json.loads(entry.read_text())
    entry.write_text(json.dumps(fields | {"version": version}, indent=1))
    with pytest.raises(StoreError, match=r"000001.json: is damaged; restore it"):
        read_ledger(store, "m")
    with pytest.raises(DefinitionError, match="is no name of a version"):
        find_version(store, "m", version)


def test_what_is_no_model_or_version_in_the_root_is_left_alone(store: FolderStore) -> None:
    put(store, "models/m/v1")
    for stray in ("models/.DS_Store", "models/m/.DS_Store", "models/Bad Name/v1/x"):
        Path(store.root, stray).parent.mkdir(parents=True, exist_ok=True)
        Path(store.root, stray).touch()
    assert list_models(store) == ["m"]
    assert list(list_versions(store, "m")) == ["v1"]


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        *(member(name) for name in ("../x", "/x", "a/../../x", "..\\x", "C:x", "a\x1b[31m")),
        member("link", type=tarfile.SYMTYPE, linkname="/etc"),
        member("link", type=tarfile.SYMTYPE, linkname="src"),
        member("link", type=tarfile.LNKTYPE, linkname="src/ok"),
        member("pipe", type=tarfile.FIFOTYPE),
        member("device", type=tarfile.CHRTYPE),
    ],
    ids=lambda each: f"{each.name!r}-{each.type.decode()}",
)
def test_archive_holds_plain_files_below_it_only(hostile: tarfile.TarInfo, tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.addfile(member("./src/ok"))
        archive.addfile(hostile)
    with pytest.raises(StoreError, match="in the archive is no plain file below it"):
        unpack(data.getvalue(), tmp_path / "deep" / "draft", tmp_path / "deep" / "target")
    assert [each.name for each in tmp_path.rglob("*")] == ["deep"]


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08" + b"\0" * 99])
def test_archive_that_is_none_is_told(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="target: its archive is damaged"):
        unpack(data, tmp_path / "draft", tmp_path / "target")


def test_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.serving.bento_archive._LARGEST", 10)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.addfile(member("large", size=11), io.BytesIO(b"0" * 11))
    with pytest.raises(StoreError, match="unpacks to more than 10 bytes"):
        unpack(data.getvalue(), tmp_path / "draft", tmp_path / "target")


@pytest.mark.parametrize("path", OUTSIDE[:-1])
def test_store_takes_no_path_that_leads_out(path: str, store: FolderStore, tmp_path: Path) -> None:
    for use in (store.read, store.children, store.remove, lambda p: store.create(p, b"")):
        with pytest.raises(StoreError, match="is no name of a file below"):
            use(f"models/{path}")
    with pytest.raises(StoreError, match="is no name of a file below"):
        store.replace(path, b"")
    assert not tmp_path.joinpath("x").exists()


@pytest.mark.parametrize("linked", ["models", "models/m", "models/m/ledger", "models/m/v1", "tmp"])
def test_link_does_not_lead_out_of_the_root(
    linked: str, store: FolderStore, tmp_path: Path
) -> None:
    put(store, "models/m/v1")
    append(store, "m")
    place, elsewhere = Path(store.root, linked), tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))

    def use() -> None:
        get_version(store, "m", "v1")
        append(store, "m")

    with pytest.raises(StoreError, match=f"is a link out of {store.root}"):
        use()
    assert sorted(elsewhere.rglob("*")) == before


def test_file_that_is_a_link_out_of_the_root_is_not_fetched(
    store: FolderStore, tmp_path: Path
) -> None:
    put(store, "snapshots/d1")
    part = Path(store.root, "snapshots/d1/model.txt")
    part.rename(tmp_path / "secret")
    part.symlink_to(tmp_path / "secret")
    with pytest.raises(StoreError, match="is a link out of"):
        store.fetch("snapshots/d1", tmp_path / "copy")
    with pytest.raises(StoreError, match=f"is a link out of {store.root}"):
        store.read_many(["snapshots/d1/MANIFEST.json", "snapshots/d1/model.txt"])
    (tmp_path / "outside").mkdir()
    Path(store.root, "models").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match=f"is a link out of {store.root}"):
        store.read_many(["models/m/v1"])
    with pytest.raises(StoreError):
        store.read_many(["snapshots/d1/MANIFEST.json", "snapshots/../../secret"])
    link = tmp_path / "link"
    link.symlink_to(store.root)
    assert open_store(str(link)).children("snapshots") == ["d1"]  # the root itself may be one


def test_key_in_a_bucket_is_not_written_elsewhere(bucket: str, tmp_path: Path) -> None:
    store = open_store(f"{bucket}/root")
    put(store, "snapshots/d1")
    key = f"{bucket.removeprefix('s3://')}/root/snapshots/d1/../../outside"
    store.files.call_s3("put_object", Bucket=key.partition("/")[0], Key=key.partition("/")[2])  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="is no name of a file below"):
        store.fetch("snapshots/d1", tmp_path / "deep" / "copy")
    assert not (tmp_path / "outside").exists()


def test_names_that_are_given_every_day_are_taken() -> None:
    for path in ("models/m/20131001T000000Z-ab", "date=2013-10-01/hour=05/a.parquet", "ü/日本.txt"):
        assert is_plain(path)
    assert all(map(is_model, ("taxi", "m", "9-lives", "x" * 63)))
