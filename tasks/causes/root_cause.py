"""The root cause of an alarm: which column, since when, in which rows, and what became of values.

A mapping is told only where the same alarm, asked again of rows that it was undone in, is far from
ringing. True drift therefore has none. Not responsible for where rows came from, nor for the words
(`cause_text`).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from tasks.alarms.histograms import REPEATED
from tasks.causes.affected_rows import Place, confine
from tasks.causes.evidence import Evidence, measure_distance
from tasks.causes.level_mappings import propose_levels
from tasks.causes.mapping import Mapping, find_standing, to_numbers, undo
from tasks.causes.number_mappings import propose_numbers
from tasks.causes.onset import Array, Places, find_segment
from tasks.causes.stand_ins import is_everywhere, propose_stand_ins
from tasks.causes.swaps import propose_swaps
from tasks.causes.time_shifts import propose_shifts
from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import Frozen
from tasks.core.sql import is_text

QUIET, HALVED = 0.7, 0.5  # of a limit, and of what a sign was: no more may be left of it
PROVEN = 1.0  # of a limit, where single values speak for a mapping: the season moves the rest
_BETTER = 0.05
_MOST = 3  # causes of one alarm
_FEW = 20  # rows that are too few to know a mapping by
_MOVED = 0.05


class RootCause(Frozen):
    """Why an alarm rang: a raw `column`, of which `features` rang, since when and in which rows.

    `rows` are affected `of` all in the window and after `since`; where the values are usual again,
    `until` says since when; `where` names the levels that it is confined to. `quiet` tells whether
    nothing at all rings once `mapping` (and those of the other causes) is undone. `source` and
    `files` are where the column is read from, `exact` says that single rows prove it, and
    `found_in` whether the sources hold the same values, or other ones than the requests.
    """

    column: str
    features: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    rows: int
    of: int
    where: str = ""
    mapping: Mapping | None = None
    quiet: bool = False
    source: str = ""
    files: tuple[str, ...] = ()
    exact: bool = False
    found_in: Literal["", "sources", "requests"] = ""


def find_causes(evidence: Evidence) -> tuple[RootCause, ...]:
    """Find the causes of `data-broken`, the column that moved furthest first."""
    rows, watched = evidence.rows, {gauge.column for gauge in evidence.calibration.gauges}
    causes: list[RootCause] = []
    told, excused = {PREDICTION, REPEATED}, {REPEATED}
    while len(causes) < _MOST:
        scores = evidence.score(rows, watched - told)
        ringing = {column for (column, _), score in scores.items() if score > 1}
        suspect = _find_suspect(evidence, rows, ringing, [each.column for each in causes])
        if suspect is None:
            break
        cause, undone = _examine(evidence, rows, suspect, ringing)
        causes.append(cause)
        told |= set(cause.features)
        if cause.mapping is not None and cause.mapping.kind == "stand-in":
            excused |= {PREDICTION, *cause.features}  # what stood there before is not known
        else:
            rows = undone
    if not causes or any(each.mapping is None for each in causes):
        return tuple(causes)
    quiet = _is_quiet(evidence, rows, watched - excused)
    return tuple(each.model_copy(update={"quiet": quiet}) for each in causes)


def _find_suspect(
    evidence: Evidence, rows: pl.DataFrame, ringing: set[str], done: Sequence[str]
) -> str | None:
    """Find the raw column that moved furthest, of those that what rings is made of."""
    now = (rows[TIME] > evidence.begins).to_numpy()
    found = {}
    for name in evidence.list_columns():
        if name not in done and evidence.list_dependents(name) & ringing:
            bins = evidence.find_bins(rows, name)
            found[name] = measure_distance(bins[~now], bins[now])
    moved = [name for name, distance in found.items() if distance > _MOVED]
    return max(moved, key=found.__getitem__, default=None)


def _examine(
    evidence: Evidence, rows: pl.DataFrame, name: str, ringing: set[str]
) -> tuple[RootCause, pl.DataFrame]:
    """Find out about one column; give its cause, and the rows without it as far as is known."""
    found = _search(evidence, rows, name)
    window, mapping = rows[TIME] > evidence.begins, found.mapping
    explained = {name, *mapping.columns} if mapping else {name}
    features = {each for one in explained for each in evidence.list_dependents(one)}
    affected = found.inside & found.where.find(rows) if found.where else found.inside
    cause = RootCause(
        column=name,
        features=tuple(sorted(features & ringing)),
        since=rows[TIME][int(found.inside.arg_max() or 0)],
        until=found.ended,
        rows=round(int((affected & window).sum()) * evidence.weights[1]),
        of=round(int((found.inside & window).sum()) * evidence.weights[1]),
        where=str(found.where or ""),
        mapping=mapping,
    )
    return cause, found.undone


class _Found(NamedTuple):
    """Rows `inside` a segment of time, where alone it happened, and the mapping, undone in rows."""

    inside: pl.Series
    ended: datetime | None
    where: Place | None
    mapping: Mapping | None
    undone: pl.DataFrame


def _search(evidence: Evidence, rows: pl.DataFrame, name: str) -> _Found:
    """Search all rows, then a few levels; a stand-in tells its onset better than all values do."""
    bins, window = evidence.find_bins(rows, name), rows[TIME] > evidence.begins
    marks = propose_stand_ins(name, rows.filter(~window)[name], rows.filter(window)[name])
    for mark in marks:
        stands = find_standing(rows[name], mark.value).cast(pl.Int64).to_numpy()
        found = _search_bins(evidence, rows, name, stands)
        if found.mapping is not None and found.mapping.kind == "stand-in":
            return found
    return _search_bins(evidence, rows, name, bins)


def _search_bins(evidence: Evidence, rows: pl.DataFrame, name: str, bins: Places) -> _Found:
    found = _search_place(evidence, rows, name, bins, None)
    if found.mapping is not None and found.mapping.kind != "stand-in":
        return found
    window = rows[TIME] > evidence.begins
    for side in (found.inside, window):
        place = _confine(evidence, rows, name, bins, side)
        if place is not None:
            closer = _search_place(evidence, rows, name, bins, place)
            return closer if closer.mapping or not found.mapping else found
    return found


def _search_place(
    evidence: Evidence, rows: pl.DataFrame, name: str, bins: Places, where: Place | None
) -> _Found:
    """Search for a mapping in the segment; and in the whole window, or its onset might hide it."""
    alike = where.find(rows) if where else pl.repeat(True, len(rows), eager=True)
    inside, ended = _find_inside(evidence, rows, bins, alike)
    for tried in (inside & alike, (rows[TIME] > evidence.begins) & alike):
        mapping, undone = _find_mapping(evidence, rows, name, tried, alike)
        if mapping is not None:
            return _Found(inside, ended, where, mapping, undone)
    return _Found(inside, ended, where, None, rows)


def _find_inside(
    evidence: Evidence, rows: pl.DataFrame, bins: Places, alike: pl.Series
) -> tuple[pl.Series, datetime | None]:
    """Find the rows of the segment, by those that are `alike`, and when it ended, if it did."""
    moments = rows[TIME].dt.epoch("us").to_numpy()
    places = np.flatnonzero(alike.to_numpy())
    reaches = int((moments[places] <= evidence.begins.timestamp() * 1e6).sum())
    segment = find_segment(bins[places], moments[places], reaches)
    start, last = places[segment.start], segment.stop == len(places)
    stop = len(rows) if last else places[segment.stop]
    place = np.arange(len(rows))
    inside = pl.Series((place >= start) & (place < stop))
    return inside, None if last else rows[TIME][int(stop)]


def _confine(
    evidence: Evidence, rows: pl.DataFrame, name: str, bins: Places, inside: pl.Series
) -> Place | None:
    """Find where alone it happened: without those rows the alarm is quiet."""
    dependents = evidence.list_dependents(name)
    most = _score(evidence, rows, dependents)
    for place in confine(evidence, rows, name, bins, inside.to_numpy()):
        rest = _score(evidence, rows.filter(~place.find(rows)), dependents)
        if rest <= min(QUIET, HALVED * most):
            return place
    return None


def _find_mapping(
    evidence: Evidence, rows: pl.DataFrame, name: str, affected: pl.Series, alike: pl.Series
) -> tuple[Mapping | None, pl.DataFrame]:
    """Find the mapping that leaves least of the alarm, and the rows that it was undone in.

    Only `alike` rows from before say what is usual.
    """
    before = ~affected & alike & (rows[TIME] <= evidence.begins)
    usual, struck = rows.filter(before), rows.filter(affected)
    known = evidence.list_known(name, rows.filter(~affected))
    found: tuple[float, Mapping, pl.DataFrame] | None = None
    if min(len(usual), len(struck)) < _FEW:
        return None, rows
    for mapping in _propose(evidence, name, usual, struck, known):
        if is_everywhere(mapping):
            return mapping, rows
        undone = undo(mapping, rows, affected, known)
        watched = {each for one in mapping.columns for each in evidence.list_dependents(one)}
        left, was = (_score(evidence, each, watched) for each in (undone, rows))
        calm = left <= min(PROVEN if mapping.proven else QUIET, HALVED * was)
        if calm and (found is None or left < found[0] - _BETTER):
            found = left, mapping, undone
    return (found[1], found[2]) if found else (None, rows)


def _propose(
    evidence: Evidence, name: str, usual: pl.DataFrame, struck: pl.DataFrame, known: Array
) -> Iterator[Mapping]:
    """Propose mappings of a column, those first that need least belief."""
    old, new = usual[name], struck[name]
    yield from propose_stand_ins(name, old, new)
    yield from propose_swaps(name, evidence.list_columns(), usual, struck)
    if isinstance(new.dtype, pl.Datetime):
        yield from propose_shifts(name, old, new)
    elif is_text(new.dtype):
        yield from propose_levels(name, old, new)
    elif new.dtype.is_numeric():
        yield from propose_numbers(name, to_numbers(old), to_numbers(new), known)


def _score(evidence: Evidence, rows: pl.DataFrame, watched: set[str]) -> float:
    scores = evidence.score(rows, watched)
    return max((score for (column, _), score in scores.items() if column in watched), default=0.0)


def _is_quiet(evidence: Evidence, rows: pl.DataFrame, watched: set[str]) -> bool:
    """Tell whether nothing rings any more, predictions neither."""
    if evidence.predict is None or PREDICTION not in rows.columns:
        return _score(evidence, rows, watched - {PREDICTION}) <= 1
    now = rows[TIME] > evidence.begins
    answered = rows.filter(now).with_columns(evidence.predict(rows.filter(now)).alias(PREDICTION))
    again = pl.concat([rows.filter(~now), answered], how="vertical_relaxed")
    return _score(evidence, again, watched) <= 1
