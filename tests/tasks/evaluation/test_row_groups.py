"""What a resample draws where rows hang together by entity: intervals cover what they say."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.core.columns import GROUP, TIME
from tasks.evaluation.bootstrap import compare_means, group_rows
from tasks.evaluation.row_groups import group_entities, group_widely

START = datetime(2020, 1, 1, tzinfo=UTC)


def draw(
    seed: int, timed: bool, by_day: float, by_entity: float
) -> tuple[pl.DataFrame, np.ndarray]:
    """Draw rows of 60 entities on 30 days, and a difference of losses that is 0 in truth."""
    random = np.random.default_rng(seed)
    entity, day = np.repeat(np.arange(60), 30), np.tile(np.arange(30), 60)
    own = by_entity * random.normal(size=60)[entity] + by_day * random.normal(size=30)[day]
    times = [START + timedelta(days=int(each)) for each in day] if timed else [None] * len(day)
    rows = pl.DataFrame({TIME: pl.Series(times, dtype=pl.Datetime("us", "UTC")), GROUP: entity})
    return rows, own + random.normal(size=len(day))


@pytest.mark.parametrize(("by_day", "by_entity"), [(0.0, 1.0), (1.0, 0.0), (0.2, 1.0)])
@pytest.mark.parametrize("timed", [True, False])
def test_95_percent_covers_what_it_says_where_rows_of_an_entity_are_alike(
    timed: bool, by_day: float, by_entity: float
) -> None:
    if not timed and by_day:
        by_day, by_entity = 0.0, 0.5
    covered = {"wide": 0, "by time alone": 0}
    for seed in range(200):
        rows, gain = draw(seed, timed, by_day, by_entity)
        none = np.zeros(len(gain))
        groups = {
            "wide": group_widely(rows, (none, gain), seed),
            "by time alone": group_rows(rows[TIME], seed),
        }
        for name, each in groups.items():
            found = compare_means(none, gain, each, confidence=0.95)
            covered[name] += found.low <= 0 <= found.high
    assert covered["wide"] >= 0.9 * 200
    if not by_day:
        assert covered["by time alone"] < 0.75 * 200


def test_an_entity_is_never_parted_even_where_there_are_very_many() -> None:
    entities = pl.Series(np.random.default_rng(1).integers(0, 3000, 9000))
    groups = group_entities(entities)
    assert len(np.unique(groups)) == 500
    parted = pl.DataFrame({"entity": entities, "group": groups}).group_by("entity").n_unique()
    assert set(parted["group"]) == {1}


def test_rows_of_next_to_no_entities_are_drawn_by_time() -> None:
    rows, gain = draw(1, True, 0.0, 0.0)
    few = rows.with_columns(pl.lit(1).alias(GROUP))
    assert np.array_equal(group_widely(few, (gain, 2 * gain), 1), group_rows(rows[TIME], 1))
