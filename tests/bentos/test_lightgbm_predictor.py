"""LightGBM through its C interface answers as its Python package, or raises its error."""

import sys
from pathlib import Path

import numpy as np
import pytest
from lightgbm.basic import LightGBMError
from quantiles import grow_crossing
from servers import Versions, alter

from bentos.lightgbm_predictor import Predictor
from bentos.model import load_folder
from tasks.core.pinball import Pinball
from tasks.prediction import llvm_kernel


def test_lightgbms_own_failure_is_raised(versions: Versions) -> None:
    text = (versions.folder(versions.second) / "model.txt").read_text()
    predictor = Predictor(text)
    predictor.features += 1
    for rows in (1, 2):
        with pytest.raises(LightGBMError, match="number of features"):
            predictor.predict(np.zeros((rows, predictor.features)))


def test_compiled_predictor_answers_the_same_and_says_so(
    versions: Versions, tmp_path: Path
) -> None:
    plain = versions.folder(versions.second)
    compiled = load_folder(alter(plain, tmp_path / "model", 'predictor = "compiled"'))
    matrix = compiled.encode_frame(versions.rows.select(list(compiled.schema.types)))
    wanted = load_folder(plain).predictor
    assert (compiled.predictor.name, wanted.name) == ("compiled", "lightgbm")
    for rows in (1, 2, 15, 16, 33, len(matrix)):
        given = compiled.predictor.predict(matrix[:rows])
        np.testing.assert_array_equal(given, wanted.predict(matrix[:rows]))


def test_lightgbm_answers_where_nothing_can_be_compiled(
    versions: Versions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    llvm_kernel.compile_loop.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    asks = alter(versions.folder(versions.second), tmp_path / "model", 'predictor = "compiled"')
    assert load_folder(asks).predictor.name == "lightgbm"
    assert "llvmlite is not installed" in caplog.text


def test_crossed_quantiles_are_answered_in_order_and_explained_by_the_one_in_the_middle() -> None:
    booster, pinball = grow_crossing(), Pinball((0.45, 0.5, 0.55))
    rows = np.random.default_rng(7).normal(size=(200, 2))
    raw = np.asarray(booster.predict(rows))
    crossed = (np.diff(raw, axis=1) < 0).any(axis=1)
    assert 0.1 < crossed.mean() < 1
    for compiled in (False, True):
        predictor = Predictor(booster.model_to_string(), compiled, pinball=pinball)
        found = predictor.predict(rows)
        assert found.tolist() == np.sort(raw, axis=1).tolist()
        assert [predictor.predict_one(row) for row in rows.tolist()] == found.tolist()
        explained = predictor.explain(rows)
        assert explained.shape == (200, 1, 3)
        assert explained.sum(axis=(1, 2)) == pytest.approx(found[:, 1], abs=1e-9)
