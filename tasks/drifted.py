"""How the last window of served rows looks, beside what the champion learned from.

Owns which windows are held against each other. Refuses to measure a distance (`drift`) and to set
an alarm (`alarms`).
"""

from tasks.alarms import Alarm, judge, split_window
from tasks.definition import Frozen
from tasks.drift import ColumnDrift, measure_drift
from tasks.profiles import Profile
from tasks.promised import Promise, watchable
from tasks.store import Store
from tasks.stretches import Sketcher, join_stretches
from tasks.watching import Asked, Watch

_RECENT = 4  # windows that the last one is held against
_LATE = 0.1  # of a window may have passed before the first answer, for it to count as a whole one
_NAMED = 3


class Drifted(Frozen):
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
    watch: Watch, asked: Asked, promise: Promise | None, problem: str, store: Store
) -> Drifted:
    """Compare the last window with what the champion learned from, and with the windows before."""
    if promise is None or watch.version not in asked.rows:
        return _say_nothing(problem or "nothing was asked of the champion")
    calibration = promise.calibration()
    _, length = split_window(watch.window)
    sketcher = Sketcher(
        store, watch.version, watch.definition, watchable(watch.recipe), calibration, length
    )
    since = max(asked.since, asked.until - (_RECENT + 1) * watch.window)
    begins = sketcher.start_of(asked.until) + length - watch.window
    now = sketcher.sketch(asked.log, begins, asked.until)
    before = sketcher.sketch(asked.log, since, begins)
    if not now:
        return _say_nothing("nothing was asked of the champion in the last window")
    profile, window = join_stretches(now)
    rows, least = sum(each.rows for each in now), watch.definition.monitoring.rows
    alarms: tuple[Alarm, ...] = ()
    if calibration is None or window is None:
        problem = "rows carry no time, so that there is no history to set alarms by"
    elif rows < least:
        problem = f"{rows:,} rows in the last window, {least:,} are needed for an alarm"
    elif min(each.start for each in (*before, *now)) > begins + _LATE * watch.window:
        problem = "the champion has answered for less than a window: no alarm is rung yet"
    else:
        alarms = judge(calibration, join_stretches(before)[1] if before else None, window)
    history, weights = promise.profile(), promise.importance()
    columns = tuple(measure_drift(history, profile))
    return Drifted(
        rows=rows,
        recent_rows=sum(each.rows for each in before),
        columns=columns,
        weights=weights,
        moved=sum(weights.get(each.column, 0.0) * (each.hellinger or 0.0) for each in columns),
        alarms=alarms,
        new_levels=find_new_levels(history, profile),
        problem=problem,
    )


def find_new_levels(history: Profile, profile: Profile) -> dict[str, tuple[str, ...]]:
    """Name the most frequent levels of each category that history does not know."""
    found = {}
    for name, column in profile.columns.items():
        if name in history.columns and column.facts.kind == "category":
            new = column.levels.keys() - history.columns[name].levels.keys()
            found[name] = tuple(sorted(new, key=column.levels.__getitem__, reverse=True)[:_NAMED])
    return {name: levels for name, levels in found.items() if levels}


def _say_nothing(problem: str) -> Drifted:
    return Drifted(weights={}, new_levels={}, problem=problem)
