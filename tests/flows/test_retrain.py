"""The retrain flow on real flights: what comes out, and that it comes out once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from receivers import receiving

from tasks.registry.ledger import read_ledger
from tasks.registry.overview import describe_model
from tasks.registry.versions import find_version, list_versions, read_file
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

Retrain = Callable[..., dict[str, Any]]
Made = dict[str, Any]


def test_candidate_passes_and_holds_every_file(retrained: Made) -> None:
    store = open_store()
    published = find_version(store, "flight-delay", retrained["version"])
    assert retrained["verdict"] == "passed"
    assert published is not None
    assert set(published.manifest.files) == {
        "analysis.json", "definition.toml", "evaluation.json", "example_rows.json",
        "features.json", "lineage.json", "model.txt", "profile.bin", "report.html", "report.md",
        "schemas.json", "twin.txt", "verdict.json", "vocabulary.json",
    }  # fmt: skip


def test_same_inputs_give_the_same_version_and_bytes(
    retrained: Made, retrain: Retrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "other"))
    second = retrain()
    assert retrained["version"] == second["version"]
    for name in ("model.txt", "twin.txt", "vocabulary.json", "evaluation.json", "features.json"):
        models = []
        for root in (tmp_path / "root", tmp_path / "other"):
            store = open_store(str(root))
            published = find_version(store, "flight-delay", second["version"])
            assert published is not None
            models.append(read_file(store, published, name))
        assert models[0] == models[1]


def test_second_run_finds_the_first_done(retrained: Made, retrain: Retrain) -> None:
    assert retrain()["manifest"] == retrained["manifest"]
    assert len(list_versions(open_store(), "flight-delay")) == 1


def test_newer_candidate_supersedes_what_waits_and_people_are_told_once(
    retrain: Retrain, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    july = project / "data" / "nycflights13" / "flights-2013-07.parquet"
    kept = july.rename(tmp_path / july.name)
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{there.place}/")
        older = retrain()
        kept.rename(july)
        newer, again = retrain(), retrain()
        told = there.texts
    assert newer["version"] == again["version"]
    assert [older["verdict"], newer["verdict"]] == ["passed", "passed"]
    (entry,) = read_ledger(open_store(), "flight-delay")
    assert (entry.action, entry.version, entry.approver) == ("reject", older["version"], "system")
    assert describe_model(open_store(), "flight-delay")["waiting"] == [newer["version"]]
    first, closed, second = told
    assert first.startswith(f"flight-delay: candidate {older['version']} passed and waits")
    assert f"perennial approve flight-delay {older['version']} --as NAME --reason TEXT" in first
    assert older["report"] in first
    assert closed.startswith(f"flight-delay: rejected {older['version']}: By system")
    assert f"superseded by {newer['version']}" in closed
    assert second.startswith(f"flight-delay: candidate {newer['version']} passed and waits")


def test_run_as_of_a_named_time_supersedes_nothing(released: "Released") -> None:
    from flows.retrain import retrain as flow

    made = flow("flight-delay", datetime(2013, 7, 28, tzinfo=UTC))
    if made["verdict"] == "passed":
        waiting = describe_model(open_store(), "flight-delay")["waiting"]
        assert waiting == [released.newer, made["version"]]
    assert [each.action for each in read_ledger(open_store(), "flight-delay")] == [
        "approve",
        "release",
    ]


def test_root_and_sources_may_be_a_bucket(
    retrained: Made,
    retrain: Retrain,
    bucket: str,
    project: Path,
    definition_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import s3fs

    s3fs.S3FileSystem().put(str(project / "data"), f"{bucket}/data", recursive=True)
    text = definition_file.read_text().replace('"data/', f'"{bucket}/data/')
    definition_file.write_text(text)
    monkeypatch.setenv("PERENNIAL_ROOT", f"{bucket}/root")
    remote = retrain()
    assert remote["metrics"] == retrained["metrics"]
    assert retrain()["manifest"] == remote["manifest"]
    assert open_store().children("snapshots")


def test_lineage_names_every_input_and_step(retrained: Made) -> None:
    store = open_store()
    published = find_version(store, "flight-delay", retrained["version"])
    assert published is not None
    lineage = json.loads(read_file(store, published, "lineage.json"))
    steps = ["extraction", "analysis", "preparation", "training", "evaluation", "validation"]
    assert [step["name"] for step in lineage["steps"]] == [*steps, "refit"]
    assert all(step["start"] <= step["end"] for step in lineage["steps"])
    assert set(lineage["sources"]) == {"flights", "planes", "weather"}
    assert lineage["packages"]["lightgbm"]
    assert lineage["flow_run"]
