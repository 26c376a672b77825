"""The page of a backtest: policies of retraining side by side, for a team to choose from."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tasks.backtest.periods import Period
from tasks.backtest.replay import Followed, Replay, Retrain, Track
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.reports import charts
from tasks.reports.backtest_choice import list_choice, list_choice_heads, tell_choice
from tasks.reports.chart_findings import tell_ranking
from tasks.reports.display_names import METRICS, name_metric
from tasks.reports.formatting import escape_markdown, format_score, format_share, markdown_table
from tasks.reports.templates import Figure, render

_FORMS = ("%-d %b", "%-d %b %Y", "%Y-%m-%d %H:%M:%S.%f")
RULES = {
    "never": "the first model is kept",
    "schedule": "a retrain at every calendar date",
    "drift": "a retrain when inputs have drifted from the training data",
    "quality": "a retrain when a quick model of the newest labels is significantly better",
}


def draw_comparison(replay: Replay) -> dict[str, str]:
    """Give a backtest's `report.html` and `report.md`, as text by file name."""
    return {"report.html": write_page(replay), "report.md": write_summary(replay)}


def write_summary(replay: Replay) -> str:
    """Write the short version: a row a policy."""
    title = f"**{replay.model}**, {replay.start:%Y-%m-%d} to {replay.end:%Y-%m-%d}"
    table, told = markdown_table(list_heads(replay), list_rows(replay)), tell_choice(replay.choice)
    return f"{title}\n\n{table}\n\n{escape_markdown(' '.join(told))}\n"


def list_heads(replay: Replay) -> list[str]:
    named = [f"Mean {name_metric(each)}" for each in (replay.metric, replay.second)]
    return [
        *("Policy", *named, "Mean calibration error", *_name_coverage(replay)),
        "Share of schedule's gain",
        *("Retrains", "Promoted", "Refused", "Seconds"),
    ]


def list_rows(replay: Replay) -> list[list[str]]:
    rows = []
    for track in replay.tracks:
        gain = format_share(reach_gain(replay, track))
        covered = [format_share(track.coverage) for _ in _name_coverage(replay)]
        counts = map(str, (len(track.retrains), track.promotions, track.refusals))
        means = [*_write_means(replay, track), *covered]
        rows.append([track.policy, *means, gain, *counts, f"{track.seconds:.0f}"])
        if track.followed:
            means = [*_write_means(replay, track.followed), *("–" for _ in covered)]
            rows.append([f"{track.policy}, base rate followed", *means, *["–"] * 5])
    return rows


def _name_coverage(replay: Replay) -> list[str]:
    """Name the column of intervals that hold what came true, where answers have any."""
    return ["Mean coverage"] if any(each.coverage is not None for each in replay.tracks) else []


def _write_means(replay: Replay, track: Track | Followed) -> list[str]:
    error = "–" if track.calibration is None else f"{track.calibration:.4f}"
    return [*(_write_mean(track, each) for each in (replay.metric, replay.second)), error]


def _write_mean(track: Track | Followed, metric: Metric) -> str:
    return format_score(track.mean[metric]) if metric in track.mean else "–"


def reach_gain(replay: Replay, track: Track) -> float | None:
    """Give the share of what `schedule` gained over `never` that a policy reached."""
    means = {each.policy: each.mean.get(replay.metric) for each in replay.tracks}
    low, high, own = means.get("never"), means.get("schedule"), means.get(track.policy)
    if low is None or high is None or own is None or high == low:
        return None
    gained = (high - low) * (1 if replay.metric in HIGHER_IS_BETTER else -1)
    return (own - low) / (high - low) if gained > 0 else None


def write_page(replay: Replay) -> str:
    """Render the whole page."""
    return render(
        "backtest.html.jinja",
        title=f"{replay.model} backtest",
        model=replay.model,
        span=f"{replay.start:%Y-%m-%d} to {replay.end:%Y-%m-%d}",
        first=replay.first,
        every=replay.every,
        metric=name_metric(replay.metric),
        heads=list_heads(replay),
        told=list(tell_choice(replay.choice)),
        choice_heads=list_choice_heads(replay.choice) if replay.choice else [],
        choice=list(list_choice(replay.choice)) if replay.choice else [],
        policies=list_rows(replay),
        rules={track.policy: RULES[track.policy] for track in replay.tracks},
        period_heads=["From", *(track.policy for track in replay.tracks), "Rows"],
        periods=list(_show_periods(replay)),
        calibration=list(list_calibration(replay)),
        tracks=[
            (each.policy, list(list_retrains(each.retrains)), each.broken) for each in replay.tracks
        ],
    )


def _show_periods(replay: Replay) -> Iterator[dict[str, object]]:
    """Give the two metrics of the gate, each with its chart and its table."""
    if replay.tracks[0].periods:
        for metric in (replay.metric, replay.second):
            yield {
                "metric": name_metric(metric),
                "chart": _draw_periods(replay, metric),
                "rows": list(list_periods(replay, metric)),
            }


def list_periods(replay: Replay, metric: Metric) -> Iterator[list[str]]:
    """Give a row for each period: its start, each policy's metric, and how many rows it has."""
    for place, each in enumerate(replay.tracks[0].periods):
        scores = (track.periods[place].metrics[metric] for track in replay.tracks)
        yield [f"{each.start:%Y-%m-%d}", *map(format_score, scores), f"{each.rows:,}"]


def list_calibration(replay: Replay) -> Iterator[list[str]]:
    """Give a row for each period: each policy's calibration error, and why it is what it is."""
    for place, each in enumerate(replay.tracks[0].periods):
        errors = (_write_calibration(track.periods[place]) for track in replay.tracks)
        yield [f"{each.start:%Y-%m-%d}", *errors, f"{each.rows:,}"]


def _write_calibration(period: Period) -> str:
    said, shift = f"{period.calibration:.4f}", period.prior_shift
    if shift is None:
        return said
    return f"{said}, {min(shift.share, 1):.0%} of it a base rate that moved ({shift.offset:+.2f})"


def _draw_periods(replay: Replay, metric: Metric) -> Figure:
    name, what = METRICS[metric]
    lines: dict[str, list[float]] = {
        track.policy: [each.metrics[metric] for each in track.periods] for track in replay.tracks
    }
    starts = name_starts([each.start for each in replay.tracks[0].periods])
    means = [(track.policy, _write_mean(track, metric)) for track in replay.tracks]
    said = tell_ranking(f"{name} by period and policy, on average", means)
    drawn = charts.draw_lines(lines, starts, name, said)
    return Figure(f"{name} by period", f"{name}: {what}.", drawn)


def name_starts(starts: Sequence[datetime]) -> list[str]:
    """Name each period by as little of its start as tells it from all others."""
    named = ([f"{each:{form}}" for each in starts] for form in _FORMS)
    return next(names for names in named if len(set(names)) == len(starts))


def list_retrains(retrains: Iterable[Retrain]) -> Iterator[list[str]]:
    """Give a row for each retrain: when, why, what came of it, its gain, and its seconds."""
    for each in retrains:
        came_to = "promoted" if each.promoted else f"refused: {each.refused}"
        gain = "–"
        if each.gain:
            span = f"({each.gain.low:+.4f} to {each.gain.high:+.4f})"
            gain = f"{each.gain.value:+.4f} {span}{', significantly worse' if each.worse else ''}"
        yield [f"{each.as_of:%Y-%m-%d}", each.reason, came_to, gain, f"{each.seconds:.1f}"]
