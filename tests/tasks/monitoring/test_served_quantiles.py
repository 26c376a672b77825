"""Served quantiles are held against what each promises, where labels came true."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scored import START
from tables import define

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.evaluation.slices import SLICE
from tasks.monitoring.served_quantiles import explain_other, list_off, share_recent
from tasks.training.published_model import as_column

COUNT = 1_000
_DRAW = np.random.default_rng(4)
TRUE = np.tile([-1.2816, 0.0, 1.2816], (COUNT, 1))
TARGETS = _DRAW.normal(size=COUNT)


def parse(quantiles: str, **sections: str) -> Definition:
    target = f'value = "y"\nkind = "regression"\n{quantiles}'
    return parse_definition(define(target=target, **sections), "made.toml")


ASKED = parse("quantiles = [0.1, 0.5, 0.9]")


def serve(predicted: np.ndarray, labelled: int = COUNT) -> pl.DataFrame:
    known = [*TARGETS[:labelled].tolist(), *[None] * (COUNT - labelled)]
    return pl.DataFrame(
        {
            TIME: [START + timedelta(hours=hour) for hour in range(COUNT)],
            TARGET: pl.Series(known, dtype=pl.Float64),
            PREDICTION: as_column(predicted),
            f"{SLICE}half": np.where(np.arange(COUNT) % 2 == 0, "even", "odd"),
        }
    )


def test_quantiles_that_keep_their_promise_are_not_off() -> None:
    found = list(share_recent(ASKED, serve(TRUE)))
    assert [each.quantile for each in found[:3]] == [0.1, 0.5, 0.9]
    assert list_off(ASKED, found) == []


def test_share_that_is_surely_off_is_said_of_all_rows_and_by_slice() -> None:
    even = (np.arange(COUNT) % 2 == 0)[:, None]
    found = list(share_recent(ASKED, serve(TRUE - np.where(even, 1.0, 0.0))))
    *whole, slices = list_off(ASKED, found)
    assert any("rows lie below the 0.5 quantile" in each for each in whole)
    assert "half = even" in slices
    assert "half = odd" not in slices
    patient = parse("quantiles = [0.1, 0.5, 0.9]", gate="coverage_margin = 0.5")
    assert list_off(patient, found) == []


@pytest.mark.parametrize("labelled", [0, 50])
def test_few_labels_say_nothing(labelled: int) -> None:
    assert list(share_recent(ASKED, serve(TRUE, labelled))) == []
    assert list(share_recent(parse(""), serve(TRUE))) == []


def test_champion_of_other_quantiles_is_not_measured_by_these() -> None:
    assert explain_other(ASKED, ASKED) == ""
    assert "predicts the mean, and [target] quantiles ask for [0.1, 0.5, 0.9]" in explain_other(
        ASKED, parse("")
    )
    assert "predicts [0.1, 0.5, 0.9]" in explain_other(parse("quantiles = [0.2, 0.8]"), ASKED)
