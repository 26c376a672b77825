"""A base rate followed in a replay: by what was known at each day, and by nothing later."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from predicted import DEFINITION, START, rows
from scipy.special import expit, logit

from tasks.backtest.base_rate import follow
from tasks.core.columns import PREDICTION, TARGET
from tasks.core.definition import Definition
from tasks.registry.corrections import FARTHEST

END = START + timedelta(days=40)
DAY = 100  # rows


def following(window: int) -> Definition:
    serving = DEFINITION.serving.model_copy(update={"follow_base_rate": timedelta(days=window)})
    return DEFINITION.model_copy(update={"serving": serving})


def lowered(by: float) -> pl.DataFrame:
    history = rows(40, 1.0)
    low = expit(logit(history[PREDICTION].to_numpy()) - by)
    return history.with_columns(pl.Series(PREDICTION, low))


def test_base_rate_that_moved_is_followed_once_labels_have_matured() -> None:
    history = lowered(1.0)
    given, offsets = follow(following(14), history, START, END)
    assert offsets[:2] == (0.0, 0.0)  # a day of rows, and a day until their labels
    assert offsets[-1] == pytest.approx(1, abs=0.2)
    np.testing.assert_array_equal(given[: 2 * DAY], history[PREDICTION].to_numpy()[: 2 * DAY])
    late = slice(20 * DAY, None)
    assert given[late].mean() == pytest.approx(history[TARGET][late].mean(), abs=0.03)


def test_offset_is_bounded() -> None:
    assert max(follow(following(14), lowered(4.0), START, END)[1]) == FARTHEST


def test_nothing_later_is_known() -> None:
    history = lowered(1.0)
    changed = history.with_columns(
        pl.when(pl.int_range(pl.len()) < 20 * DAY).then(TARGET).otherwise(1.0).alias(TARGET)
    )
    before, after = (follow(following(14), each, START, END)[0] for each in (history, changed))
    known = slice(0, 21 * DAY)  # the first changed label is known a day later
    np.testing.assert_array_equal(before[known], after[known])
    assert not np.array_equal(before, after)


def test_rows_without_a_label_move_nothing() -> None:
    history = lowered(1.0).with_columns(pl.lit(None, pl.Float64).alias(TARGET))
    given, offsets = follow(following(14), history, START, END)
    assert set(offsets) == {0.0}
    np.testing.assert_array_equal(given, history[PREDICTION].to_numpy())
