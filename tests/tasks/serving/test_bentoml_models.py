"""Released versions among BentoML's models, as BentoML itself lists them, whatever is killed."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bentoml._internal.models.model import ModelStore

from tasks.processes.bento_server import bento_environment
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.versions import Published, get_version, read_json
from tasks.serving import bentoml_models
from tasks.serving.bento_archive import bento_tag
from tasks.serving.bentoml_models import find_period, offer_models
from tasks.storage.store import Store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
PUBLISHERS = Path(__file__).parents[2] / "support" / "publishers.py"
ONE, BOTH = 1, 2
STEP, FINE = 173, 11  # lines of code from one kill to the next, and to the next of the last ones


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a person's own home of BentoML, in which nothing is yet."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def both(released: "Released", store: Store) -> tuple[Published, Published]:
    """Release the newer version, too, and roll back from it."""
    older, newer = (get_version(store, MODEL, each) for each in (released.older, released.newer))
    for action, each in (("approve", newer), ("release", newer), ("rollback", older)):
        decided: dict[str, Any] = {"action": action, "version": each.version}
        append_entry(
            store, MODEL, **decided, manifest=each.digest, approver="Eve", reason="", override=True
        )
    return older, newer


def ask_bentoml(home: Path, *words: str) -> Any:
    """Ask BentoML's own command, as a person does."""
    command = [sys.executable, "-m", "bentoml", *words, "-o", "json"]
    asked = subprocess.run(command, env=bento_environment(home), capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def run_publishers(*words: object) -> Any:
    command = [sys.executable, str(PUBLISHERS), *map(str, words)]
    return json.loads(subprocess.check_output(command, text=True))


def read_bytes(folder: Path) -> dict[str, bytes]:
    found = (each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in found}


def test_bentoml_lists_each_released_version_by_its_own_time(
    both: tuple[Published, Published], store: Store, home: Path
) -> None:
    offer_models(store, MODEL)
    listed = ask_bentoml(home, "models", "list")
    assert [each["tag"] for each in listed] == [
        bento_tag(MODEL, each.version) for each in reversed(both)
    ]
    assert all(each["size"].endswith(("KiB", "MiB")) for each in listed)
    times = [datetime.fromisoformat(each["creation_time"]) for each in listed]
    published = [each.manifest.time.astimezone().replace(tzinfo=None) for each in reversed(both)]
    assert times == [each.replace(microsecond=0) for each in published]


def test_bentoml_tells_lineage_metrics_and_who_released_it(
    both: tuple[Published, Published], store: Store, home: Path
) -> None:
    offer_models(store, MODEL)
    for version, by in zip(both, ("Ada", "Eve"), strict=True):
        told = ask_bentoml(home, "models", "get", bento_tag(MODEL, version.version))
        data, lineage = told["metadata"], read_json(store, version, "lineage.json")
        assert told["labels"] == {"version": version.version, "approver": by}
        assert told["context"]["framework_versions"]["lightgbm"] == lineage["packages"]["lightgbm"]
        assert data["metrics"]["holdout"] == lineage["metrics"]["holdout"]
        assert data["gate"]["beats_baseline"].keys() == {"passed", "value", "low", "high"}
        assert data["period"]["first"] < data["period"]["last"] <= data["as_of"]
        assert data["rows"].items() > lineage["rows"].items()
        for name in ("snapshot", "sources", "definition", "code"):
            assert data["lineage"][name] == lineage[name]
        entry = next(each for each in read_ledger(store, MODEL)[1:] if each.approver == by)
        released = {"manifest": version.digest, "approver": by, "reason": entry.reason}
        assert data["release"].items() >= released.items()
        assert data["release"]["override"] is (by == "Eve")
    latest = ask_bentoml(home, "models", "get", MODEL)
    assert latest["labels"]["version"] == both[1].version  # the last one that was released


def test_model_that_bentoml_shows_is_the_version_file_by_file(
    released: "Released", store: Store, home: Path
) -> None:
    offer_models(store, MODEL)
    version = get_version(store, MODEL, released.older)
    shown = read_bytes(home / "models" / bento_tag(MODEL, released.older).replace(":", "/"))
    assert shown.pop("model.yaml")
    assert shown == read_bytes(released.root / version.path)


def test_model_is_whole_or_absent_wherever_a_kill_strikes(
    both: tuple[Published, Published], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, homes = ("kill_at_lines", "offer_released"), tmp_path / "homes"
    last = run_publishers(*killed, homes, STEP)
    soon = last - STEP + FINE  # what follows the second model's rename is short
    end = run_publishers(*killed, homes, FINE, soon)
    tags = [bento_tag(MODEL, each.version) for each in both]
    seen, halves = set(), []
    for line in (*range(1, last, STEP), *range(soon, end, FINE)):
        home = homes / str(line)
        (home / "models").mkdir(parents=True, exist_ok=True)
        found = [str(each.tag) for each in ModelStore(home / "models").list()]
        assert found == tags[: len(found)]
        seen.add(len(found))
        halves += [home] if list(home.glob("tmp/run-*/*/*.json")) else []
        monkeypatch.setenv("BENTOML_HOME", str(home))
        if halves == [home]:  # BentoML itself is asked while half of a model lies there
            assert len(ask_bentoml(home, "models", "list")) == len(found)
        offer_models(store, MODEL)
        assert [str(each.tag) for each in ModelStore(home / "models").list()] == tags
        assert (home / "models" / MODEL / "latest").read_text() == tags[-1].partition(":")[2]
        assert [each.name for each in (home / "tmp").iterdir()] == ["lock"]
    assert seen == {0, ONE, BOTH}
    assert len(halves) > 1


def test_several_that_offer_at_once_leave_one_whole_model_each(
    both: tuple[Published, Published], home: Path
) -> None:
    assert run_publishers("race", "offer_released", home, 4) == [str(BOTH)] * 4
    assert len(ModelStore(home / "models").list()) == BOTH
    assert [each.name for each in (home / "tmp").iterdir()] == ["lock"]


def test_model_that_another_run_puts_there_meanwhile_is_kept(
    released: "Released", store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home / "models" / bento_tag(MODEL, released.older).replace(":", "/")

    def be_second(path: Path) -> None:
        if path.is_dir():
            shutil.copytree(path, place)
            (place / "first").touch()

    monkeypatch.setattr(bentoml_models, "flush", be_second)
    offer_models(store, MODEL)
    assert (place / "first").exists()
    assert (place.parent / "latest").read_text() == place.name


def test_model_that_is_missing_is_made_again_as_it_was(
    both: tuple[Published, Published], store: Store, home: Path
) -> None:
    offer_models(store, MODEL)
    before = read_bytes(home / "models")
    place = home / "models" / MODEL
    kept = place / both[1].version.lower() / "model.yaml"
    written = kept.stat().st_ino
    shutil.rmtree(place / both[0].version.lower())
    (place / "latest").unlink()
    offer_models(store, MODEL)
    assert read_bytes(home / "models") == before
    assert kept.stat().st_ino == written
    shutil.rmtree(home)
    offer_models(store, MODEL)
    assert read_bytes(home / "models") == before


def test_version_that_was_changed_is_left_out_by_name(
    both: tuple[Published, Published],
    released: "Released",
    store: Store,
    home: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    older, newer = both
    manifest = released.root / older.path / "MANIFEST.json"
    manifest.write_text(manifest.read_text() + "\n")
    offer_models(store, MODEL)
    tag = bento_tag(MODEL, older.version)
    assert f"{tag}: is not among the models in {home}: it is not what ledger entry 2" in caplog.text
    shutil.rmtree(released.root / newer.path)
    shutil.rmtree(home)
    offer_models(store, MODEL)
    assert not (home / "models").exists()


def test_home_or_ledger_that_cannot_be_used_is_a_warning(
    released: "Released",
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "file"))
    offer_models(store, MODEL)
    assert f"{MODEL}: is not among the models in {tmp_path}/file: " in caplog.text
    (released.root / "models" / MODEL / "ledger" / "000001.json").unlink()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    offer_models(store, MODEL)
    assert "000001.json: is missing; restore it" in caplog.text


def test_place_that_something_else_holds_is_a_warning(
    released: "Released", store: Store, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As what BentoML's own `models import` leaves when it is killed."""
    place = home / "models" / bento_tag(MODEL, released.older).replace(":", "/")
    place.mkdir(parents=True)
    (place / "model.txt").touch()
    offer_models(store, MODEL)
    assert f"{MODEL}:{place.name}: is not among the models in {home}" in caplog.text
    (place / "model.txt").unlink()
    offer_models(store, MODEL)
    assert (place / "model.yaml").is_file()


def test_data_without_times_has_no_period() -> None:
    definition = (
        'name = "m"\n[sources]\nt = "t.csv"\n[target]\nvalue = "y"\nkind = "binary"\n'
        '[features]\na = "a"\n[training]\nholdout = 0.2\n[extract]\nkey = ["id"]\n'
    )
    assert find_period({"definition.toml": definition.encode()}, {"columns": {}}) == {}
