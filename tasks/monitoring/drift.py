"""How the last window of served rows looks, beside what the champion learned from.

Owns what is read of the log for that. Refuses to measure a distance (`drift`), to set an alarm
(`alarms`) and to choose the windows (`looks`).
"""

from tasks.alarms.detector import Alarm
from tasks.alarms.drift_decision import DriftDecision, decide, look_at
from tasks.analysis.profile import Profile
from tasks.analysis.profile_drift import ColumnDrift, measure_drift
from tasks.core.definition import Frozen
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.daily_profiles import Sketcher, join_stretches
from tasks.monitoring.reference import ChampionReference, watchable
from tasks.storage.store import Store

_NAMED = 3


class ServedDrift(Frozen):
    """How the last window looks, beside what the champion learned from: features and predictions.

    `weights` say how much each feature matters; `moved` is their Hellinger distance, so weighted.
    """

    rows: int = 0
    recent_rows: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    weights: dict[str, float]
    moved: float | None = None
    alarms: tuple[Alarm, ...] = ()
    new_levels: dict[str, tuple[str, ...]]
    problem: str = ""


def watch_drift(
    watch: MonitoringContext,
    asked: ServedRows,
    promise: ChampionReference | None,
    problem: str,
    store: Store,
) -> ServedDrift:
    """Compare the last window with what the champion learned from, and with the windows before."""
    if promise is None or watch.version not in asked.rows:
        return _say_nothing(problem or "nothing was asked of the champion")
    calibration = promise.calibration()
    look = look_at(asked.until, watch.window)
    sketcher = Sketcher(
        store, watch.version, watch.definition, watchable(watch.champion), calibration, look.length
    )
    now = sketcher.sketch(asked.log, look.begins, look.until)
    before = sketcher.sketch(asked.log, look.since, look.begins)
    if not now:
        return _say_nothing("nothing was asked of the champion in the last window")
    profile, window = join_stretches(now)
    decided = DriftDecision(
        problem="rows carry no time, so that there is no history to set alarms by"
    )
    if calibration is not None and window is not None:
        first = min(each.start for each in (*before, *now))
        recent = join_stretches(before)[1] if before else None
        decided = decide(watch.definition, calibration, look, first, recent, window)
    history, weights = promise.profile(), promise.importance()
    columns = tuple(measure_drift(history, profile))
    return ServedDrift(
        rows=sum(each.rows for each in now),
        recent_rows=sum(each.rows for each in before),
        columns=columns,
        weights=weights,
        moved=sum(weights.get(each.column, 0.0) * (each.hellinger or 0.0) for each in columns),
        alarms=decided.alarms,
        new_levels=find_new_levels(history, profile),
        problem=decided.problem,
    )


def find_new_levels(history: Profile, profile: Profile) -> dict[str, tuple[str, ...]]:
    """Name the most frequent levels of each category that history does not know."""
    found = {}
    for name, column in profile.columns.items():
        if name in history.columns and column.facts.kind == "category":
            new = column.levels.keys() - history.columns[name].levels.keys()
            found[name] = tuple(sorted(new, key=column.levels.__getitem__, reverse=True)[:_NAMED])
    return {name: levels for name, levels in found.items() if levels}


def _say_nothing(problem: str) -> ServedDrift:
    return ServedDrift(weights={}, new_levels={}, problem=problem)
