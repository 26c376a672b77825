"""The monitor's page: how a champion does, drawn for whoever wants to see it at a glance.

Owns what the page shows, in which order, and where it is kept. Refuses to find and to word.
"""

from collections.abc import Iterator

from tasks.core.checks import failed
from tasks.monitoring.findings import MonitoringResult, warn_of
from tasks.reports import charts
from tasks.reports.candidate_text import (
    MOVED,
    name_metric,
    shorten,
    write_moment,
    write_score,
    write_share,
)
from tasks.reports.monitoring_text import (
    EVENTS,
    STATES,
    list_counts,
    name_column,
    rank_lost,
    rank_moved,
    say_behind,
    say_drift,
    say_quality,
    say_service,
    say_skew,
    say_state,
    write_metrics,
    write_missing,
)
from tasks.reports.page import Html, document_of, figure, fold, grid, join, stamp, table, tag
from tasks.storage.store import Store, reaching

_BARS, _SLICES = 14, 20


def keep_report(store: Store, found: MonitoringResult) -> str:
    """Keep the page under the root, the last of each day, and give its address."""
    model, day = found.watch.definition.name, f"{found.asked.until:%Y-%m-%d}"
    path = f"monitoring/{model}/reports/{day}/report.html"
    with reaching(store.root):
        store.replace(path, write_page(found).encode())
    return f"{store.root}/{path}"


def write_page(found: MonitoringResult) -> str:
    """Write the whole page: what needs to be acted on first, what was looked at last."""
    sections = {
        "Quality": show_quality(found),
        "Drift": show_drift(found),
        "Skew": show_skew(found),
        "Contract": show_contract(found),
        "Service": show_service(found),
        "Answers": show_answers(found),
    }
    return document_of(f"{found.watch.definition.name}: monitor", show_state(found), sections)


def show_state(found: MonitoringResult) -> Iterator[Html]:
    """Show whether anything needs to be acted on, and the numbers that matter most."""
    definition, quiet = found.watch.definition, not found.raised
    yield tag("p", f"Monitor of {definition.name}", class_="eyebrow")
    yield tag("h1", definition.description or definition.name)
    period = f"{write_moment(found.asked.since)} to {write_moment(found.asked.until)} UTC"
    champion = tag("code", found.watch.version)
    yield tag("p", "Champion ", champion, f", answers about {period}", class_="muted")
    word = tag("p", "✓ All quiet" if quiet else "✗ Look at it", class_="stamp")
    why = tag("p", say_state(found), class_="why")
    box = [word, why, *_show_tiles(found), *_show_events(found)]
    yield tag("div", *box, class_="verdict" if quiet else "verdict refused")
    if warnings := list(warn_of(found)):
        yield tag("h2", "Worth knowing")
        yield tag("ul", *(tag("li", warning) for warning in warnings))


def _show_tiles(found: MonitoringResult) -> Iterator[Html]:
    metric, judged = found.watch.definition.metric, found.judged
    quality = judged.quality
    tiles = {
        f"{name_metric(metric)}, live": quality.value if quality else None,
        "Estimated, last window": judged.estimate.get(metric),
        "On the holdout": judged.holdout.get(metric),
    }
    shown = {name: write_score(value) for name, value in tiles.items() if value is not None}
    shown["Answers"] = f"{sum(found.asked.rows.values()):,}"
    shown["With a label"] = f"{found.outcomes.labelled:,}"
    cells = [tag("div", tag("dt", name), tag("dd", value)) for name, value in shown.items()]
    yield tag("dl", *cells, class_="tiles")


def _show_events(found: MonitoringResult) -> Iterator[Html]:
    if found.raised:
        rows = [
            [EVENTS[each.kind], STATES[each.state], join([each.reason, tag("small", each.detail)])]
            for each in found.raised
        ]
        yield table(["Finding", "Event", "What was found"], rows)


def show_quality(found: MonitoringResult) -> Iterator[Html]:
    """Show quality window by window, known and estimated, then by slice and by version."""
    judged, name = found.judged, name_metric(found.watch.definition.metric)
    yield tag("p", say_quality(found))
    yield tag("p", say_behind(found))
    drawn = [*_draw_course(found), *_draw_slices(found)]
    if drawn:
        yield grid(*drawn)
    if judged.spans:
        heads = ["Window ending", "Answers", "With a label", name, "Interval", "Estimated"]
        yield table(heads, _list_spans(found), "numbers")
    rows = [
        [
            each.version,
            f"{each.rows:,}",
            f"{each.labelled:,}",
            "–"
            if each.surely is None
            else f"{write_score(each.surely.value)} ({write_score(each.surely.low)} to "
            f"{write_score(each.surely.high)})",
            write_metrics(each.metrics),
            write_metrics(each.holdout),
        ]
        for each in judged.versions
    ]
    heads = ["Version", "Answers", "With a label", name, "All metrics", "On its holdout"]
    yield fold("By version", table(heads, rows, "numbers"))


def _draw_course(found: MonitoringResult) -> Iterator[Html]:
    metric, spans = found.watch.definition.metric, list(reversed(found.judged.spans))
    points = [
        charts.Moment(
            at=each.end.isoformat(),
            truth=each.truth.get(metric),
            low=each.surely.low if each.surely else None,
            high=each.surely.high if each.surely else None,
            estimate=each.estimate.get(metric),
        )
        for each in spans
    ]
    if any(each.truth is not None or each.estimate is not None for each in points):
        title = name_metric(metric)
        text = (
            f"{title} of each window: what came true (line, with its interval) and what was "
            "estimated before (dots). Dashed: the holdout."
        )
        promised = found.judged.holdout[metric]
        drawn = charts.draw_course(points, promised, title, f"{title} by window")
        yield figure("Quality over time", text, drawn)


def _draw_slices(found: MonitoringResult) -> Iterator[Html]:
    ranked = rank_lost(found)[:_SLICES]
    if not ranked:
        return
    gains = [each.quality.gain.value for each in ranked if each.quality.gain]
    labels = [
        f"{shorten(f'{each.slice} = {each.level}')} ({each.quality.rows:,})" for each in ranked
    ]
    dots: dict[str, list[float]] = {"value": gains, "rows": [each.quality.rows for each in ranked]}
    text = (
        "How much better each slice does than on the holdout (left of the line: worse), by its "
        f"{name_metric(ranked[0].quality.metric)}; rows in brackets."
    )
    drawn = charts.draw_lollipops(dots, labels, 0.0, "Better than promised", "Gain by slice")
    yield figure("Slices, worst first", text, drawn)


def _list_spans(found: MonitoringResult) -> Iterator[list[object]]:
    metric = found.watch.definition.metric
    for each in found.judged.spans:
        truth, estimate, sure = each.truth.get(metric), each.estimate.get(metric), each.surely
        yield [
            write_moment(each.end),
            f"{each.rows:,}",
            f"{each.labelled:,}",
            "–" if truth is None else write_score(truth),
            "–" if sure is None else f"{write_score(sure.low)} to {write_score(sure.high)}",
            "–" if estimate is None else write_score(estimate),
        ]


def show_drift(found: MonitoringResult) -> Iterator[Html]:
    """Show what moved, weighted by how much it matters, and which alarms ring."""
    drifted = found.drifted
    yield tag("p", say_drift(found))
    for alarm in drifted.alarms:
        yield tag("p", tag("b", f"✗ {alarm.kind}: ", class_="no"), alarm.detail)
    ranked = rank_moved(found)
    if not ranked:
        return
    bars = [
        charts.Bar(
            f"{name_column(each)} ({drifted.weights.get(each.column, 0.0):.0%})",
            each.hellinger or 0.0,
            f"{each.hellinger:.3f}",
            faint=(each.psi or 0.0) < MOVED,
        )
        for each in ranked[:_BARS]
    ]
    text = (
        "Hellinger distance from what was learned (0: the same, 1: nothing in common), importance "
        "in brackets. Pale: hardly a shift. Ordered by distance times importance."
    )
    heads = ["Feature", "Importance", "PSI", "Missing", "New levels"]
    rows = [
        [
            name_column(each),
            write_share(drifted.weights.get(each.column)),
            f"{each.psi:.3f}",
            write_missing(each),
            ", ".join(shorten(level) for level in drifted.new_levels.get(each.column, ())) or "–",
        ]
        for each in ranked
    ]
    drawn = charts.draw_bars(bars, 0.2, "Features by drift")
    yield figure("Drift by feature", text, drawn)
    yield fold(f"All {len(rows)} columns as a table", table(heads, rows, "numbers columns"))


def show_skew(found: MonitoringResult) -> Iterator[Html]:
    """Show whether the training path gives the same answers, and which cells differ."""
    yield tag("p", say_skew(found))
    differences = [each for each in (found.skew.predictions, *found.skew.columns) if each]
    odd = [each for each in differences if each.rows]
    if odd:
        rows = [
            [
                each.column,
                f"{each.rows:,} of {each.compared:,}",
                write_share(each.share),
                "; ".join(f"{one.logged} for {one.expected}" for one in each.examples),
            ]
            for each in odd
        ]
        yield table(["Column", "Rows that differ", "Share", "Logged, for what should be"], rows)


def show_contract(found: MonitoringResult) -> Iterator[Html]:
    """Show the checks of served rows that failed, and fold away those that passed."""
    bad = failed(found.checks)
    for checks, summary in ((bad, ""), ([each for each in found.checks if each.passed], "passed")):
        rows = [[each.name, stamp(each.passed), each.detail] for each in checks]
        made = table(["Check", "Result", "What was found"], rows, "checks")
        if rows:
            yield fold(f"{len(rows)} checks {summary}", made) if summary else made
    if not found.checks:
        yield tag("p", "Nothing was asked that could be checked.", class_="muted")


def show_service(found: MonitoringResult) -> Iterator[Html]:
    """Show what was answered and how quickly."""
    service = found.service
    yield tag("p", say_service(service))
    if service.counters is None:
        return
    counts, total = service.counters.answers, sum(service.counters.answers)
    names = [*(f"≤ {1000 * bound:g} ms" for bound in service.counters.bounds), "longer"]
    bars = [
        charts.Bar(name, count / total, f"{count / total:.1%}")
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    rows = sorted(service.counters.responses.items(), key=lambda pair: -pair[1])
    made = table(["Endpoint and status", "Responses"], [[k, f"{v:,}"] for k, v in rows], "numbers")
    if bars:
        drawn = charts.draw_bars(bars, 0.1, "Answers by time taken")
        made = grid(figure("Time to answer", "Share of evaluations.", drawn), made)
    yield made


def show_answers(found: MonitoringResult) -> Iterator[Html]:
    """Show what became of the answers."""
    yield table(["Count", "What it means"], list_counts(found))
