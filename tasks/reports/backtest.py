"""The page on which a team chooses its cadence: policies of retraining, side by side.

Owns what a backtest's page and its short version show. Refuses to replay and to measure.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tasks.backtest.replay import Replay, Retrain, Track
from tasks.core.definition import Metric
from tasks.evaluation.metrics import HIGHER_IS_BETTER
from tasks.reports import charts
from tasks.reports.candidate_text import METRICS, name_metric, tabulate, write_score, write_share
from tasks.reports.page import Html, command, document, figure, fold, grid, table, tag

_FORMS = ("%-d %b", "%-d %b %Y", "%Y-%m-%d %H:%M:%S.%f")
RULES = {
    "never": "the first model is kept",
    "schedule": "a retrain at every calendar date",
    "drift": "a retrain when what is asked has moved from what was learned",
    "quality": "a retrain when a quick model of what is known by now does surely better",
}


def draw_comparison(replay: Replay) -> dict[str, str]:
    """Draw a backtest's `report.html` and write its `report.md`."""
    return {"report.html": write_page(replay), "report.md": write_summary(replay)}


def write_summary(replay: Replay) -> str:
    """Write the short version: a row a policy."""
    title = f"**{replay.model}**, {replay.start:%Y-%m-%d} to {replay.end:%Y-%m-%d}"
    return f"{title}\n\n{tabulate(list_heads(replay), list_rows(replay))}\n"


def list_heads(replay: Replay) -> list[str]:
    named = [f"Mean {name_metric(each)}" for each in (replay.metric, replay.second)]
    return [
        *("Policy", *named, "Gain of schedule reached"),
        *("Retrains", "Promoted", "Refused", "Seconds"),
    ]


def list_rows(replay: Replay) -> list[list[str]]:
    return [
        [
            track.policy,
            *(_write_mean(track, each) for each in (replay.metric, replay.second)),
            write_share(reach_gain(replay, track)),
            str(len(track.retrains)),
            str(track.promotions),
            str(track.refusals),
            f"{track.seconds:.0f}",
        ]
        for track in replay.tracks
    ]


def _write_mean(track: Track, metric: Metric) -> str:
    return write_score(track.mean[metric]) if metric in track.mean else "–"


def reach_gain(replay: Replay, track: Track) -> float | None:
    """Give the share of what `schedule` gained over `never` that a policy reached."""
    means = {each.policy: each.mean.get(replay.metric) for each in replay.tracks}
    low, high, own = means.get("never"), means.get("schedule"), means.get(track.policy)
    if low is None or high is None or own is None or high == low:
        return None
    gained = (high - low) * (1 if replay.metric in HIGHER_IS_BETTER else -1)
    return (own - low) / (high - low) if gained > 0 else None


def write_page(replay: Replay) -> str:
    header = tag("header", *show_question(replay))
    sections = [
        tag("section", tag("h2", title), *parts)
        for title, parts in {
            "By period": show_periods(replay),
            "Retrains": show_retrains(replay),
        }.items()
    ]
    return document(f"{replay.model} backtest", header, *sections)


def show_question(replay: Replay) -> Iterator[Html]:
    """Show what was replayed, and the policies in one table."""
    span = f"{replay.start:%Y-%m-%d} to {replay.end:%Y-%m-%d}"
    yield tag("p", f"Backtest of {replay.model}", class_="eyebrow")
    yield tag("h1", "How often is it worth retraining?")
    yield tag(
        "p",
        f"{span}, replayed as if live: at each moment only what was known then counts. All "
        "policies begin with ",
        tag("code", replay.first),
        f". Calendar dates lie {replay.every} apart; means are over the periods between them.",
        class_="muted",
    )
    yield table(list_heads(replay), list_rows(replay), "numbers")
    rules = [tag("li", tag("b", each.policy), f": {RULES[each.policy]}") for each in replay.tracks]
    yield tag("ul", *rules)
    yield tag("p", "Deploy the cadence that pays in prefect.yaml; to replay another stretch:")
    yield command(f"perennial backtest {replay.model} --from TIME --to TIME --every {replay.every}")


def show_periods(replay: Replay) -> Iterator[Html]:
    """Show the two metrics of the gate as lines and as tables."""
    periods = replay.tracks[0].periods
    if not periods:
        yield tag("p", "No period has enough rows whose label is known.")
        return
    metrics = replay.metric, replay.second
    yield grid(*(_draw_periods(replay, metric) for metric in metrics))
    for metric in metrics:
        heads = ["From", *(each.policy for each in replay.tracks), "Rows"]
        yield tag("h3", name_metric(metric))
        yield table(heads, list_periods(replay, metric), "numbers")


def list_periods(replay: Replay, metric: Metric) -> Iterator[list[object]]:
    """Give a row a period, with each policy's metric."""
    for place, each in enumerate(replay.tracks[0].periods):
        scores = (track.periods[place].metrics[metric] for track in replay.tracks)
        yield [f"{each.start:%Y-%m-%d}", *map(write_score, scores), f"{each.rows:,}"]


def _draw_periods(replay: Replay, metric: Metric) -> Html:
    name, what = METRICS[metric]
    lines: dict[str, list[float]] = {
        track.policy: [each.metrics[metric] for each in track.periods] for track in replay.tracks
    }
    starts = name_starts([each.start for each in replay.tracks[0].periods])
    drawn = charts.draw_lines(lines, starts, name, f"{name} by period and policy")
    return figure(f"{name} by period", f"{name}: {what}.", drawn)


def name_starts(starts: Sequence[datetime]) -> list[str]:
    """Name each period by as little of its start as tells it from all others."""
    named = ([f"{each:{form}}" for each in starts] for form in _FORMS)
    return next(names for names in named if len(set(names)) == len(starts))


def show_retrains(replay: Replay) -> Iterator[Html]:
    """Show each policy's retrains: when, why and what came of them."""
    for track in replay.tracks:
        if track.retrains:
            yield tag("h3", track.policy)
            yield table(
                ["As of", "Why", "Came to", f"Gain in {name_metric(replay.metric)}", "Seconds"],
                list_retrains(track.retrains),
            )
        if track.broken:
            times = f"At {track.broken} looks the data seemed broken: no retrain was asked for."
            yield tag("p", times, class_="muted")
    yield fold(
        "What the gain says",
        tag(
            "p",
            "By how much the promoted model did better than the one it replaced, on the rows from "
            "its promotion to the first calendar date at least four windows later, with the gate's "
            "kind of interval.",
        ),
    )


def list_retrains(retrains: Iterable[Retrain]) -> Iterator[list[object]]:
    for each in retrains:
        came_to = "promoted" if each.promoted else f"refused: {each.refused}"
        gain = "–"
        if each.gain:
            span = f"({each.gain.low:+.4f} to {each.gain.high:+.4f})"
            gain = f"{each.gain.value:+.4f} {span}{', surely worse' if each.worse else ''}"
        yield [f"{each.as_of:%Y-%m-%d}", each.reason, came_to, gain, f"{each.seconds:.1f}"]
