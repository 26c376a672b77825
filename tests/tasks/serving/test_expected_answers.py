"""What training predicts for the holdout is computed anew, or it is told why it cannot be."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.core.errors import DataRefused, ProofFailed
from tasks.registry.versions import Published, read_json
from tasks.serving.expected_answers import compute_reference, read_holdout
from tasks.storage.store import Store
from tasks.training.published_model import load

if TYPE_CHECKING:
    from conftest import Released


def test_holdout_that_cannot_be_read_anew_is_told(
    released: "Released", store: Store, newer: Published, tmp_path: Path
) -> None:
    model = load(store, newer)
    lineage = {**model.lineage, "rows": {**model.lineage["rows"], "holdout": 1}}
    changed = model.model_copy(update={"lineage": lineage})
    with pytest.raises(ProofFailed, match=r"its holdout has \d+ instead of 1 rows when it is"):
        read_holdout(changed, ["carrier"], tmp_path / "snapshot")
    shutil.rmtree(released.root / "snapshots")
    with pytest.raises(DataRefused, match=r"its snapshot .* is gone"):
        read_holdout(model, ["carrier"], tmp_path / "snapshot")


def test_rows_are_predicted_as_their_evaluation_counted_them(
    released: "Released", store: Store, newer: Published, tmp_path: Path
) -> None:
    lineage = read_json(store, newer, "lineage.json")
    answers = compute_reference(store, newer, tmp_path / "snapshot")
    assert len(answers.rows) + answers.left_out == lineage["rows"]["holdout"]
    assert len(answers.expected) == len(answers.rows)
    assert ((answers.expected > 0) & (answers.expected < 1)).all()
    assert not answers.tables
