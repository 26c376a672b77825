"""The root causes of a look's alarm: served rows are asked what happened to them, and since when.

Responsible for which rows are asked (a sample of the last window and of those before it, or of the
champion's history where it is new), and for where a column comes from. Not responsible for what a
cause is (`causes.root_cause`).
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta

import polars as pl

from tasks.alarms.calibration import Calibration
from tasks.alarms.drift_decision import ComparisonWindow, last_window
from tasks.alarms.histograms import RECENT
from tasks.causes.evidence import Evidence
from tasks.causes.root_cause import RootCause, find_causes
from tasks.core.columns import PREDICTION, TIME
from tasks.core.errors import PerennialError, first_line
from tasks.monitoring.base_rate import plain_answers
from tasks.monitoring.column_sources import find_files, find_source
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.drift import ServedDrift
from tasks.monitoring.reference import ChampionReference, watchable
from tasks.monitoring.skew import Difference, sample_rows
from tasks.sources.file_formats import FAILURES
from tasks.sources.query import open_table
from tasks.storage.store import open_store, work_folder
from tasks.training.published_model import as_column

log = logging.getLogger("perennial.monitoring")

_MOST = 40_000  # rows of each side
_ENOUGH = 0.9  # of a window's rows, as alarms ask for
_PAIRS = 20  # rows that were compared with the sources
_SAME, _OTHER = 0.01, 0.05  # shares that differ: sources are corrected later, a little


def trace_causes(
    watch: MonitoringContext,
    asked: ServedRows,
    reference: ChampionReference | str,
    found: ServedDrift,
) -> ServedDrift:
    """Find why data looks broken, where an alarm says so."""
    calibration = None if isinstance(reference, str) else reference.calibration()
    if calibration is None or all(each.kind != "data-broken" for each in found.alarms):
        return found
    try:
        causes = find_causes(gather_evidence(watch, asked, calibration))
    except (PerennialError, *FAILURES) as error:  # the alarm stands without its cause
        log.warning("the root cause was not found: %s", first_line(error))
        return found
    return found.model_copy(update={"causes": tuple(locate(watch, causes))})


def gather_evidence(
    watch: MonitoringContext, asked: ServedRows, calibration: Calibration
) -> Evidence:
    """Gather the rows that an alarm was rung by, and those that they were held against."""
    compared, features = last_window(asked.until, watch.window), watchable(watch.champion)
    rows = asked.scan(watch, watch.version).filter(pl.col(TIME) > compared.since)
    late = pl.col(TIME) > compared.begins
    counts = dict(rows.group_by(late.alias("late")).len().collect().iter_rows())
    store, before = open_store(watch.root), counts.get(False, 0)
    now = plain_answers(
        store, watch.definition, sample_rows(rows.filter(late), counts.get(True, 0), _MOST)
    )
    if before >= _ENOUGH * min(calibration.rows, counts.get(True, 0)):
        old = sample_rows(rows.filter(~late), before, _MOST)
        old = plain_answers(store, watch.definition, old)
    else:
        old, before = _read_history(watch, compared)
    wanted = [name for name in (TIME, PREDICTION, *_list_raw(watch)) if name in now.columns]
    both = [each.select(wanted) for each in (old, now)]
    return Evidence(
        definition=watch.definition,
        features=features,
        calibration=calibration,
        rows=pl.concat(both, how="diagonal_relaxed").sort(TIME, maintain_order=True),
        begins=compared.begins,
        weights=(before / max(len(old), 1), counts.get(True, 0) / max(len(now), 1)),
        predict=lambda rows: as_column(watch.champion.predict(rows)),
    )


def _list_raw(watch: MonitoringContext) -> list[str]:
    extract = watch.champion.definition.extract
    names = [*watch.champion.features.columns, *extract.key, extract.time]
    return list(dict.fromkeys(name for name in names if name is not None))


def _read_history(watch: MonitoringContext, compared: ComparisonWindow) -> tuple[pl.DataFrame, int]:
    """Read the last windows that a new champion learned from, and count them.

    They count as just before the window: alarms hold it against them where it has none.
    """
    with work_folder(open_store(watch.root)) as folder:
        rows = watch.champion.scan_snapshot(folder / "history").select(TIME, *_list_raw(watch))
        newest = rows.select(pl.col(TIME).max()).collect().item()
        rows = rows.filter(pl.col(TIME) > newest - RECENT * watch.window)
        count = rows.select(pl.len()).collect().item()
        found = sample_rows(rows, count, _MOST)
    predicted = as_column(watch.champion.predict(found, twin=True)).alias(PREDICTION)
    # The window may have begun before the champion was made.
    gap = min(compared.begins - newest, timedelta(0))
    return found.with_columns(pl.col(TIME) + pl.lit(gap), predicted), count


def locate(watch: MonitoringContext, causes: Iterable[RootCause]) -> Iterator[RootCause]:
    """Name the source and the files that each column is read from, where sources can be read."""
    try:
        table = open_table(watch.definition, watch.project)
        schemas = {name: frame.collect_schema() for name, frame in table.frames.items()}
    except (PerennialError, *FAILURES) as error:  # what is wrong with them, the look says anyway
        log.info("causes are not located: %s", first_line(error))
        yield from causes
        return
    for cause in causes:
        source = find_source(watch.definition, schemas, cause.column)
        files = find_files(watch.definition, table, source, cause.since, cause.until)
        yield cause.model_copy(update={"source": source, "files": files if source else ()})


def settle_causes(
    causes: Iterable[RootCause], columns: Iterable[Difference]
) -> tuple[RootCause, ...]:
    """Hold causes against the sources' rows of the same keys, where there are enough."""
    known = {each.column: each for each in columns}
    return tuple(_settle(cause, known.get(cause.column)) for cause in causes)


def _settle(cause: RootCause, pairs: Difference | None) -> RootCause:
    if pairs is None or pairs.compared < _PAIRS:
        return cause
    if pairs.share <= _SAME:
        return cause.model_copy(update={"found_in": "sources"})
    if pairs.share < _OTHER:
        return cause
    if pairs.mapping is not None:
        return cause.model_copy(
            update={"found_in": "requests", "mapping": pairs.mapping, "exact": True, "files": ()}
        )
    return cause.model_copy(update={"found_in": "requests", "files": ()})
