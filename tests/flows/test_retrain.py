"""The retrain flow on real flights: what comes out, and that it comes out once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.registry.versions import find_version, list_versions, read_file
from tasks.storage.store import open_store

Retrain = Callable[..., dict[str, Any]]


def test_candidate_passes_and_holds_every_file(retrain: Retrain) -> None:
    made = retrain()
    store = open_store()
    published = find_version(store, "flight-delay", made["version"])
    assert made["verdict"] == "passed"
    assert published is not None
    assert set(published.manifest.files) == {
        "analysis.json", "definition.toml", "evaluation.json", "example_rows.json",
        "features.json", "lineage.json", "model.txt", "profile.bin", "report.html", "report.md",
        "schemas.json", "twin.txt", "verdict.json", "vocabulary.json",
    }  # fmt: skip


def test_same_inputs_give_the_same_version_and_bytes(
    retrain: Retrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = retrain()
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "other"))
    second = retrain()
    assert first["version"] == second["version"]
    for name in ("model.txt", "twin.txt", "vocabulary.json", "evaluation.json", "features.json"):
        models = []
        for root in (tmp_path / "root", tmp_path / "other"):
            store = open_store(str(root))
            published = find_version(store, "flight-delay", first["version"])
            assert published is not None
            models.append(read_file(store, published, name))
        assert models[0] == models[1]


def test_second_run_finds_the_first_done(retrain: Retrain) -> None:
    assert retrain()["manifest"] == retrain()["manifest"]
    assert len(list_versions(open_store(), "flight-delay")) == 1


def test_root_and_sources_may_be_a_bucket(
    retrain: Retrain,
    bucket: str,
    project: Path,
    definition_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import s3fs

    local = retrain()
    s3fs.S3FileSystem().put(str(project / "data"), f"{bucket}/data", recursive=True)
    text = definition_file.read_text().replace('"data/', f'"{bucket}/data/')
    definition_file.write_text(text)
    monkeypatch.setenv("PERENNIAL_ROOT", f"{bucket}/root")
    remote = retrain()
    assert remote["metrics"] == local["metrics"]
    assert retrain()["manifest"] == remote["manifest"]
    assert open_store().children("snapshots")


def test_lineage_names_every_input_and_step(retrain: Retrain) -> None:
    made = retrain()
    store = open_store()
    published = find_version(store, "flight-delay", made["version"])
    assert published is not None
    lineage = json.loads(read_file(store, published, "lineage.json"))
    steps = ["extraction", "analysis", "preparation", "training", "evaluation", "validation"]
    assert [step["name"] for step in lineage["steps"]] == [*steps, "refit"]
    assert all(step["start"] <= step["end"] for step in lineage["steps"])
    assert set(lineage["sources"]) == {"flights", "planes", "weather"}
    assert lineage["packages"]["lightgbm"]
    assert lineage["flow_run"]
