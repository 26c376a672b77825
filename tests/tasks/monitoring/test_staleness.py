"""A champion is stale where a challenger is surely better on the labels that came true lately."""

from datetime import timedelta

import polars as pl
from predicted import DEFINITION, START, rows

from tasks.core.columns import CHALLENGER_PREDICTION, PREDICTION, TARGET, TIME
from tasks.monitoring.staleness import look_for_loss


def test_only_what_matured_by_now_can_be_lost() -> None:
    fell, quick = rows(30, 0.1), rows(30, 1.0)[PREDICTION].alias(CHALLENGER_PREDICTION)
    end = START + timedelta(days=30)
    lost = look_for_loss(DEFINITION, fell.with_columns(quick), end)
    assert lost.startswith("auc of a quick model is better by 0.")
    assert look_for_loss(DEFINITION, rows(30, 1.0).with_columns(quick), end) == ""
    late = fell.with_columns(
        pl.when(pl.col(TIME) > end - timedelta(days=1)).then(0.0).otherwise(TARGET).alias(TARGET)
    )
    assert look_for_loss(DEFINITION, late.with_columns(quick), end) == lost
    assert look_for_loss(DEFINITION, fell.with_columns(quick).head(900), end) == ""
