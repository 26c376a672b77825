"""What each step promises is in the registry after a run, and says something."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tasks.analysis.column_summary import summarise
from tasks.analysis.profile import from_bytes
from tasks.features.transform import Vocabulary
from tasks.registry.released_bento import find_bento
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import MANIFEST, Published, get_version, read_file
from tasks.serving.bento_archive import archive_name, bento_tag
from tasks.storage.store import Store, open_store
from tasks.training.train import read_model

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


@pytest.fixture
def store(released_once: "Released") -> Store:
    return open_store(str(released_once.root))


@pytest.fixture
def version(released_once: "Released", store: Store) -> Published:
    return get_version(store, MODEL, released_once.older)


@pytest.fixture
def read(store: Store, version: Published) -> Callable[[str], Any]:
    def read_json(name: str) -> Any:
        return json.loads(read_file(store, version, name))

    return read_json


Read = Callable[[str], Any]


def test_extraction_leaves_its_rows_under_the_snapshots_digest(
    store: Store, read: Read, released_once: "Released"
) -> None:
    lineage = read("lineage.json")
    folder = released_once.root / snapshot_path(lineage["snapshot"])
    rows = pl.scan_parquet(folder / "**/*.parquet").select(pl.len()).collect().item()
    assert rows == lineage["snapshot_rows"] > 1000
    assert store.read(f"{snapshot_path(lineage['snapshot'])}/{MANIFEST}")


def test_analysis_leaves_a_profile_and_every_check_of_the_contract(
    store: Store, version: Published, read: Read
) -> None:
    summaries = summarise(from_bytes(read_file(store, version, "profile.bin")))
    assert {"carrier", "temp", "sched_dep_time"} <= set(summaries)
    analysis = read("analysis.json")
    assert len(analysis["checks"]) > 40
    assert all(check["passed"] for check in analysis["checks"])


def test_preparation_leaves_the_split_and_a_frozen_vocabulary(
    store: Store, version: Published, read: Read
) -> None:
    vocabulary = Vocabulary.model_validate_json(read_file(store, version, "vocabulary.json"))
    assert set(vocabulary.categories) == set(read("features.json")["categories"])
    lineage = read("lineage.json")
    assert set(lineage["rows"]) == {"fit", "stop", "gap", "holdout"}
    assert min(lineage["rows"]["fit"], lineage["rows"]["holdout"]) > 0
    assert lineage["split"]


def test_training_leaves_the_released_model_and_its_evaluated_twin(
    store: Store, version: Published, read: Read
) -> None:
    models = [
        read_model(read_file(store, version, f"{name}.txt").decode()) for name in ("model", "twin")
    ]
    assert all(each.num_feature() == len(read("features.json")["expressions"]) for each in models)
    assert [each.num_trees() for each in models] == [read("lineage.json")["rounds"]] * 2


def test_evaluation_leaves_metrics_slices_calibration_and_importance(read: Read) -> None:
    evaluation = read("evaluation.json")
    assert evaluation["metrics"]["holdout"]["auc"] > 0.5
    for part in ("slices", "calibration", "importance"):
        assert evaluation[part], part


def test_validation_leaves_a_verdict_with_its_numbers(read: Read) -> None:
    verdict = read("verdict.json")
    assert verdict["passed"]
    assert {"holdout_rows", "beats_baseline"} <= {check["name"] for check in verdict["checks"]}
    assert all(check["detail"] for check in verdict["checks"])


def test_serving_leaves_the_bento_its_proof_and_its_materials(
    store: Store, released_once: "Released"
) -> None:
    bento = find_bento(store, MODEL, released_once.older)
    assert bento is not None
    archive = archive_name(bento_tag(MODEL, released_once.older))
    assert set(bento.manifest.files) == {archive, "proof.json", "sbom.json"}
    proof = json.loads(read_file(store, bento, "proof.json"))
    assert proof["rows"] > 100
    assert proof["largest_difference"] == 0


def test_page_and_its_short_form_name_the_version(store: Store, version: Published) -> None:
    for name in ("report.html", "report.md"):
        assert version.version in read_file(store, version, name).decode()
