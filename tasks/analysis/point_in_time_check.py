"""Point-in-time check: whether rows hold what was known at their times, and nothing of later.

A few rows of every snapshot are joined once more, by the rule as it is written and from all events.
Not responsible for what a difference means: the data contract is.
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.columns import AT, ROW, SINCE
from tasks.core.definition import Definition
from tasks.features.point_in_time_join import Events, value_of
from tasks.sources.query import SourceTable, collect

_ASKED = 16  # rows all over the snapshot, and as many of the newest
_ROUNDING = 1e-6
_RESIDUE = 1e-9  # of a column's largest value, that sums of it may leave behind


def check_point_in_time(
    definition: Definition, table: SourceTable, rows: pl.LazyFrame
) -> Iterator[Check]:
    """Check of each feature table that rows hold what its events come to at their times."""
    asked = pick_rows(rows)
    if table.time is not None:
        asked = asked.with_columns(table.time.alias(AT))
    for name, events in table.events.items():
        expected = collect(table, recount(events, asked))
        found = asked.join(expected, on=ROW, how="left", maintain_order="left", suffix=".expected")
        values = definition.tables[name].values
        odd = [each for value in values if (each := _compare(value, found, rows))]
        sound = f"{len(asked)} rows hold what was known at their times"
        yield Check(name=f"table {name!r}", passed=not odd, detail="; ".join(odd) or sound)


def pick_rows(rows: pl.LazyFrame) -> pl.DataFrame:
    """Pick a few rows: all over a snapshot, which is in the order of time, and at its end."""
    count = rows.select(pl.len()).collect().item()
    spread = range(0, count, max(1, count // _ASKED))
    newest = range(max(0, count - _ASKED * 10), count, 10)
    places = pl.Series(sorted({*spread, *newest}), dtype=pl.UInt32)
    picked = rows.with_row_index(ROW).filter(pl.col(ROW).is_in(places.implode()))
    return picked.collect()


def recount(events: Events, asked: pl.DataFrame) -> pl.LazyFrame:
    """Give each row what its entity's events come to, from all events that count at its time."""
    table, frame = events.table, events.frame
    schema = frame.collect_schema()
    entity = [pl.col(name).cast(schema[name], strict=False) for name in table.entity]
    rows = asked.select(ROW, *entity, *([AT] if table.time else []))
    if table.over is not None:
        near = [pl.col(SINCE).is_between(at - table.over, at) for at in rows[AT].drop_nulls()]
        frame = frame.filter(pl.any_horizontal(near or [pl.lit(False)]))
    pairs = (
        frame.join(rows.lazy(), on=table.entity, maintain_order="left")
        if table.entity
        else frame.join(rows.lazy(), how="cross", maintain_order="left")
    )
    if table.time is not None:
        pairs = pairs.filter(pl.col(SINCE) + table.known_after <= pl.col(AT))
    if table.over is None:
        latest = pairs.sort(SINCE, maintain_order=True) if table.time else pairs
        return latest.group_by(ROW).agg(pl.col(name).last() for name in table.values)
    counted = pairs.filter(pl.col(SINCE) > pl.col(AT) - table.over)
    sums = counted.group_by(ROW).agg(pl.exclude(*table.entity, SINCE, AT).sum())
    values = [value_of(name, kind).alias(name) for name, kind in events.kinds.items()]
    return sums.select(ROW, *values)


def _compare(value: str, found: pl.DataFrame, rows: pl.LazyFrame) -> str:
    """Say how many rows hold another value than they should, with one of them; nothing if none."""
    ours, theirs = found[value], found[f"{value}.expected"]
    if ours.dtype.is_numeric() and theirs.dtype.is_numeric():
        ours, theirs = ours.cast(pl.Float64), theirs.cast(pl.Float64)
        most = rows.select(pl.col(value).cast(pl.Float64).abs().max()).collect().item() or 0.0
        near = (ours - theirs).abs() <= _ROUNDING * theirs.abs() + _RESIDUE * most
        same = near.fill_null(False) | ours.eq_missing(theirs)
    else:
        same = ours.eq_missing(theirs.cast(ours.dtype, strict=False))
    odd = found.select(value, f"{value}.expected").filter(~same)
    if odd.is_empty():
        return ""
    held, expected = odd.row(0)
    return (
        f"{len(odd)} of {len(found)} rows hold another {value!r} than was known at their times, "
        f"as {held} in place of {expected}"
    )
