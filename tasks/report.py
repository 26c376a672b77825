"""The report: the page on which a person decides about a candidate, and its short version.

Owns the words and the HTML. Refuses to judge (the gate did), to measure (evaluation did) and to
know how a chart is drawn. Names and levels are user data: what is not `Html` is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from tasks import charts
from tasks.candidate import Candidate
from tasks.checks import Check, failed
from tasks.definition import Metric
from tasks.drift import FREQUENT, ColumnDrift
from tasks.evaluation import Slice
from tasks.metrics import HIGHER_IS_BETTER
from tasks.preparation import Part
from tasks.profiles import ColumnSummary

_SLICES, _BARS, _TOP = 24, 14, 3
_LATEST = 2.5e11  # seconds since 1970: no date that Python knows is later
_MOVED, _MOVED_FAR = 0.1, 0.25  # the field's rules of thumb for the PSI

CHECKS = {
    "holdout_rows": "Enough rows to judge by",
    "beats_baseline": "Better than the baseline",
    "beats_simple_model": "Better than a simple model",
    "champion_is_comparable": "Can be compared with the champion",
    "not_worse_than_champion": "Not worse than the champion",
    "second_metric": "No loss on the second metric",
    "calibration": "As well calibrated as the champion",
    "slices": "No slice is worse off",
}
METRICS: dict[Metric, tuple[str, str]] = {
    "auc": ("AUC", "how often a positive row ranks above a negative one; 0.5 is guessing"),
    "log_loss": ("Log loss", "how far probabilities are from the truth; sure and wrong costs most"),
    "brier": ("Brier score", "mean squared distance of probabilities from the truth"),
    "accuracy": ("Accuracy", "share of rows that are decided right"),
    "macro_f1": ("Macro F1", "precision and recall in one number, every class counting alike"),
    "mae": ("MAE", "mean size of an error, in the target's unit"),
    "rmse": ("RMSE", "as MAE, but large errors weigh more"),
    "r2": ("R²", "share of the target's variance explained; 0 is predicting the mean"),
}
PARTS = {
    "fit": "trees are grown on these",
    "stop": "settled the number of rounds, then learned from too",
    "gap": "left out: their labels were not known when the holdout began",
    "holdout": "judged on, never learned from",
}


class Html(str):
    """Text that is markup already, and is not escaped again."""


def draw_report(candidate: Candidate) -> dict[str, str]:
    """Draw a candidate's `report.html` and write its `report.md`."""
    return {"report.html": write_page(candidate), "report.md": write_summary(candidate)}


def say_verdict(candidate: Candidate) -> str:
    """Say in one sentence why the candidate passed or was refused."""
    verdict, split = candidate.verdict, candidate.prepared.split
    bad, count = failed(verdict.checks), len(verdict.checks)
    if bad:
        named = ", ".join(f"“{name_check(check)}”" for check in bad)
        return f"{len(bad)} of the {count} checks of its gate failed: {named}."
    period = ""
    if split.holdout and split.matured:
        period = f" from {_day(split.holdout)} to {_day(split.matured)}"
    rival = "and not worse than the champion" if verdict.champion else "and there is no champion yet"
    return (
        f"On {candidate.evaluation.rows:,} rows{period} that it never learned from, it is better "
        f"than the baseline and than a simple model, {rival}. All {count} checks of its gate passed."
    )


def next_steps(candidate: Candidate) -> list[tuple[str, str]]:
    """Give what can be done now, each with its command."""
    definition, origin = candidate.plan.definition, candidate.plan.origin
    name, signed = definition.name, "--as NAME --reason TEXT"
    if not candidate.verdict.passed:
        words = f"It cannot be released. Look at what failed, change the data or {origin}, and run"
        return [(words, f"perennial retrain {name}")]
    if definition.approval.mode == "auto":
        words = f"{origin} approves by itself what passes. To undo a release, run"
        return [(words, f"perennial rollback {name} {signed}")]
    return [
        ("To release it, run", f"perennial approve {name} {candidate.plan.version} {signed}"),
        ("To turn it down, run", f"perennial reject {name} {candidate.plan.version} {signed}"),
    ]


def worth_a_look(candidate: Candidate) -> Iterator[str]:
    """Name what no check refuses and an approver should still know."""
    evaluation, analysis, trained = candidate.evaluation, candidate.analysis, candidate.trained
    metric, prepared = candidate.plan.definition.metric, candidate.prepared
    whole, train = evaluation.metrics["holdout"][metric], evaluation.metrics["train"][metric]
    name = METRICS[metric][0]
    yield f"{name} is {_score(train)} on rows it learned from and {_score(whole)} on the holdout."
    for each in rank_slices(candidate)[:1]:
        yield (
            f"It is weakest where {name_slice(each)}: {name} {_score(each.metrics[metric])} on "
            f"{each.rows:,} rows."
        )
    moved = [drift for drift in rank_drift(candidate) if (drift.psi or 0) > _MOVED]
    if moved:
        named = ", ".join(f"{drift.column} (PSI {drift.psi:.2f})" for drift in moved[:_TOP])
        yield f"Since the champion's snapshot, {len(moved)} columns moved: {named}."
    for drift in changed_columns(candidate):
        yield f"Since the champion's snapshot, column {drift.column} was {drift.change}."
    if prepared.unlabelled:
        yield f"{prepared.unlabelled:,} rows should have a label and have none; they were left out."
    if trained.curve and len(trained.curve) == candidate.plan.definition.training.rounds:
        yield "The loss was still falling, or nearly so, when the rounds ran out: allow more rounds."
    yield from (f"{warning[:1].upper()}{warning[1:]}." for warning in analysis.warnings)


def compare_models(candidate: Candidate) -> dict[str, dict[Metric, float]]:
    """Give the metrics of all models that were measured on the whole holdout."""
    evaluation, champion = candidate.evaluation, candidate.verdict.champion
    models = {"Candidate": evaluation.metrics["holdout"]}
    if champion and champion.rows == evaluation.rows:
        models["Champion"] = champion.metrics
    return models | {"Simple model": evaluation.simple, "Baseline": evaluation.baseline}


def rank_slices(candidate: Candidate) -> list[Slice]:
    """Order slices by the gate's metric, the weakest first."""
    metric = candidate.plan.definition.metric
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    return sorted(candidate.evaluation.slices, key=lambda each: sign * each.metrics[metric])


def rank_drift(candidate: Candidate) -> list[ColumnDrift]:
    """Order columns by how far they moved. The event time is left out: it always moves."""
    time = candidate.plan.definition.extract.time
    known = [each for each in candidate.analysis.drift if each.psi is not None]
    return sorted((each for each in known if each.column != time), key=lambda each: -(each.psi or 0))


def changed_columns(candidate: Candidate) -> list[ColumnDrift]:
    return [each for each in candidate.analysis.drift if each.change != "none"]


def name_check(check: Check) -> str:
    return CHECKS.get(check.name, check.name.replace("_", " ").capitalize())


def name_metric(metric: Metric) -> str:
    return f"{METRICS[metric][0]} {'↑' if metric in HIGHER_IS_BETTER else '↓'}"


def name_slice(each: Slice) -> str:
    return f"{each.slice} = {each.level}"


def best_of(metric: Metric, values: Iterable[float]) -> float:
    return max(values) if metric in HIGHER_IS_BETTER else min(values)


def write_page(candidate: Candidate) -> str:
    """Write the whole page: what a decision needs first, where it all comes from last."""
    name, version = candidate.plan.definition.name, candidate.plan.version
    sections = {
        "Checks": show_checks(candidate),
        "Metrics": show_metrics(candidate),
        "Charts": show_charts(candidate),
        "Data": show_data(candidate),
        "Lineage": show_lineage(candidate),
    }
    links = [tag("a", title, href=f"#{title.lower()}") for title in sections]
    header = tag("header", *show_verdict(candidate), tag("nav", *links, aria_label="Sections"))
    body = [
        tag("section", tag("h2", title), *parts, id=title.lower())
        for title, parts in sections.items()
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', f'{name} {version}')}<style>{_STYLE}</style></head>\n"
        f"<body>{tag('main', header, *body)}</body></html>\n"
    )


def show_verdict(candidate: Candidate) -> Iterator[Html]:
    """Show what it is, whether it passed and why, the step that comes next, and what to weigh."""
    plan, passed = candidate.plan, candidate.verdict.passed
    yield tag("p", f"Candidate for {plan.definition.name}", class_="eyebrow")
    yield tag("h1", plan.definition.description or plan.definition.name)
    as_of = f" as of {_moment(plan.as_of)} UTC" if plan.as_of else ""
    yield tag("p", "Version ", tag("code", plan.version), as_of, class_="muted")
    metric = plan.definition.metric
    tiles = [
        tag("div", tag("dt", model), tag("dd", _score(metrics[metric])))
        for model, metrics in compare_models(candidate).items()
    ]
    yield tag(
        "div",
        tag("p", "✓ Passed" if passed else "✗ Refused", class_="stamp"),
        tag("p", say_verdict(candidate), class_="why"),
        tag("p", f"{name_metric(metric)} on the holdout", class_="muted"),
        tag("dl", *tiles, class_="tiles"),
        *(tag("p", words, tag("code", run, class_="run")) for words, run in next_steps(candidate)),
        class_="verdict passed" if passed else "verdict refused",
    )
    yield tag("h2", "Worth a look before deciding")
    yield tag("ul", *(tag("li", sentence) for sentence in worth_a_look(candidate)))


def show_checks(candidate: Candidate) -> Iterator[Html]:
    """Show each check of the gate with its numbers."""
    yield tag(
        "p",
        "A line is the interval of how much better the candidate is; it passes inside the green "
        f"zone. Confidence: {candidate.plan.definition.gate.confidence:.0%}.",
        class_="muted",
    )
    checks = candidate.verdict.checks
    rows = [[name_check(each), _stamp(each), each.detail, _gain(each)] for each in checks]
    yield table(["Check", "Result", "What was found", "Better by"], rows, class_="checks")


def show_metrics(candidate: Candidate) -> Iterator[Html]:
    """Set the models side by side, on the same rows each time."""
    evaluation, champion = candidate.evaluation, candidate.verdict.champion
    models = compare_models(candidate)
    yield _metrics_table(models, evaluation.metrics["train"], f"On the holdout ({evaluation.rows:,} rows)")
    if champion and champion.rows != evaluation.rows:
        caption = f"On the {champion.rows:,} holdout rows that the champion never saw"
        yield _metrics_table({"Candidate": champion.candidate, "Champion": champion.metrics}, {}, caption)
    notes = ["↑ higher is better, ↓ lower is better; the best of each row is marked."]
    if candidate.plan.definition.target.kind == "binary":
        threshold = candidate.plan.definition.serving.threshold
        notes.append(f"Accuracy calls a row positive from a probability of {threshold:g} on.")
    if champion:
        twin = " (its evaluated twin: the released model has seen too much of this holdout)"
        notes.append(f"The champion is {champion.version}{twin if champion.model == 'twin' else ''}.")
    if candidate.refitted:
        notes.append(
            "The model to be released was fitted once more, by the same recipe, on all rows up to "
            "as-of; these numbers belong to its twin, which had not seen the holdout."
        )
    yield tag("p", " ".join(notes), class_="muted")


def show_charts(candidate: Candidate) -> Iterator[Html]:
    """Show the charts that fit the target, then slices as a table."""
    yield tag("div", *_draw_curves(candidate), *_draw_rankings(candidate), class_="grid")
    slices, metrics = rank_slices(candidate), list(candidate.evaluation.metrics["holdout"])
    if slices:
        rows = [
            [name_slice(each), f"{each.rows:,}", *(_score(each.metrics[name]) for name in metrics)]
            for each in slices
        ]
        yield tag(
            "details",
            tag("summary", f"All {len(slices)} slices as a table"),
            table(["Slice", "Rows", *map(name_metric, metrics)], rows, class_="numbers"),
        )


def _draw_curves(candidate: Candidate) -> Iterator[Html]:
    evaluation, curves = candidate.evaluation, candidate.evaluation.curves
    if "roc" in curves:
        text = "How many positives are found for how many false alarms; dashed: guessing."
        yield figure("ROC curve", text, charts.draw_roc(curves["roc"], "ROC curve"))
    if "precision_recall" in curves:
        text = "How many alarms are right, by how many positives are found; dashed: guessing."
        drawn = charts.draw_precision_recall(curves["precision_recall"], "Precision by recall")
        yield figure("Precision and recall", text, drawn)
    if "residuals" in curves:
        text = "Median of the error, and where half (dark) and 80% (light) of the rows lie."
        yield figure("Residuals", text, charts.draw_residuals(curves["residuals"], "Residuals by prediction"))
    bins = {
        name: [getattr(each, name) for each in evaluation.calibration]
        for name in ("predicted", "observed", "rows")
    }
    shares = candidate.plan.definition.target.kind != "regression"
    error = f"{evaluation.calibration_error:.3f}" + ("" if shares else " standard deviations")
    text = f"Tenths of the rows; on the diagonal, predictions are true. Mean distance {error}."
    yield figure("Calibration", text, charts.draw_calibration(bins, shares, "Observed by predicted"))
    if "learning" in curves:
        text = "Loss by round, on the stopping slice; dashed: the rounds that were taken."
        drawn = charts.draw_learning(curves["learning"], candidate.trained.rounds, "Loss by round")
        yield figure("Learning curve", text, drawn)


def _draw_rankings(candidate: Candidate) -> Iterator[Html]:
    metric, ranked = candidate.plan.definition.metric, candidate.evaluation.importance
    bars = [charts.Bar(each.feature, each.share, f"{each.share:.1%}") for each in ranked[:_BARS]]
    if rest := ranked[_BARS:]:
        share = sum(each.share for each in rest)
        bars.append(charts.Bar(f"{len(rest)} others", share, f"{share:.1%}", faint=True))
    text = "Share of all contributions to the predictions (mean absolute SHAP value)."
    yield figure("Feature importance", text, charts.draw_bars(bars, 0.1, "Features by importance"))
    slices = rank_slices(candidate)[:_SLICES]
    if slices:
        dots = {
            "value": [each.metrics[metric] for each in slices],
            "rows": [each.rows for each in slices],
        }
        labels = [f"{name_slice(each)} ({each.rows:,})" for each in slices]
        whole = candidate.evaluation.metrics["holdout"][metric]
        title = name_metric(metric)
        drawn = charts.draw_lollipops(dots, labels, whole, title, f"{title} by slice")
        text = f"{title}, the weakest first, with rows in brackets; dashed: the whole holdout."
        yield figure("Slices", text, drawn)


def show_data(candidate: Candidate) -> Iterator[Html]:
    """Show which rows went where, whether the contract holds, what columns hold and how they moved."""
    yield from _show_parts(candidate)
    yield tag("h3", "Data contract")
    checks = candidate.analysis.checks
    rows = [[check.name, _stamp(check), check.detail] for check in checks]
    yield table(["Check", "Result", "What was found"], rows, class_="checks")
    warnings = candidate.analysis.warnings
    if warnings:
        yield tag("ul", *(tag("li", warning) for warning in warnings), class_="warnings")
    else:
        yield tag("p", "No warnings.", class_="muted")
    yield tag("h3", "Drift since the champion's snapshot")
    yield from _show_drift(candidate)
    yield tag("h3", "Columns")
    heads = ["Column", "Type", "Missing", "Distinct", "Min", "Mean", "Max", "Frequent values"]
    columns = candidate.analysis.columns.items()
    rows = [_describe_column(name, summary) for name, summary in columns]
    yield table(heads, rows, class_="numbers columns")


def _show_parts(candidate: Candidate) -> Iterator[Html]:
    prepared, split = candidate.prepared, candidate.prepared.split
    ends = [_first_time(candidate), split.stop, split.gap, split.holdout, split.matured]
    parts = [part for part in Part if prepared.rows[part.name.lower()]]
    total, rows, strip = candidate.snapshot.rows, [], []
    for part in parts:
        name = part.name.lower()
        count = prepared.rows[name]
        strip.append(tag("i", class_=name, style=f"flex-grow:{count}"))
        period = [_moment(end) for end in ends[part : part + 2]]
        label = join([tag("i", class_=f"swatch {name}"), name.capitalize()])
        rows.append([label, f"{count:,}", f"{count / total:.1%}", *period, PARTS[name]])
    others = {
        "Unlabelled": (prepared.unlabelled, "matured, and yet without a label: left out"),
        "Immature": (prepared.immature, "too young to have a label"),
    }
    for label, (count, words) in others.items():
        rows.append([label, f"{count:,}", f"{count / total:.1%}", "", "", words])
    yield tag("h3", f"{total:,} rows, and where they went")
    yield tag("div", *strip, class_="strip", role="img", aria_label="Rows by part; see the table")
    heads = ["Part", "Rows", "Share", "From", "Until", "What for"]
    yield table(heads, rows, class_="numbers parts")


def _show_drift(candidate: Candidate) -> Iterator[Html]:
    if candidate.analysis.reference is None:
        yield tag("p", "There is no champion yet to compare with.")
        return
    changed, ranked = changed_columns(candidate), rank_drift(candidate)
    if changed:
        rows = [
            [each.column, each.change, each.reference_dtype or "–", each.current_dtype or "–"]
            for each in changed
        ]
        yield table(["Column", "Change", "Type before", "Type now"], rows)
    bars = [
        charts.Bar(each.column, each.psi or 0, f"{each.psi:.3f}", faint=(each.psi or 0) < _MOVED)
        for each in ranked[:_BARS]
    ]
    text = (
        f"Against the snapshot of {candidate.analysis.reference}. Below {_MOVED} hardly a shift, "
        f"above {_MOVED_FAR} a large one. Columns made from the calendar move by themselves."
    )
    drawn = charts.draw_bars(bars, _MOVED_FAR, "Columns by PSI")
    yield figure("PSI by column", text, drawn)


def show_lineage(candidate: Candidate) -> Iterator[Html]:
    """Show what the candidate was made from and how, for whoever wants to make it again."""
    plan, trained = candidate.plan, candidate.trained
    facts = {
        "Snapshot": plan.snapshot,
        **{f"Source {name}": digest[:16] for name, digest in plan.sources.items()},
        "Definition": f"{plan.definition.digest[:16]} ({plan.origin})",
        "Rounds": f"{trained.rounds:,}",
        **{name: str(value) for name, value in trained.params.items()},
    }
    seconds = [[step.name, f"{step.seconds:.2f}"] for step in candidate.steps]
    yield tag(
        "div",
        table(["What", "Value"], [[name, tag("code", value)] for name, value in facts.items()]),
        table(["Step", "Seconds"], seconds, class_="numbers"),
        class_="grid",
    )


def write_summary(candidate: Candidate) -> str:
    """Write the short version in Markdown."""
    plan, verdict, evaluation = candidate.plan, candidate.verdict, candidate.evaluation
    metric, models = plan.definition.metric, compare_models(candidate)
    checks = [
        [name_check(check), "passed" if check.passed else "**failed**", _plain(check.detail)]
        for check in verdict.checks
    ]
    metrics = [
        [name_metric(name), *(_score(each[name]) for each in models.values()), _score(seen)]
        for name, seen in evaluation.metrics["train"].items()
    ]
    features = ", ".join(
        f"{_plain(each.feature)} ({each.share:.0%})" for each in evaluation.importance[:_TOP]
    )
    weakest = ", ".join(
        f"{_plain(name_slice(each))} ({_score(each.metrics[metric])} on {each.rows:,} rows)"
        for each in rank_slices(candidate)[:_TOP]
    )
    lines = [
        f"# {plan.definition.name} {plan.version}: {'passed' if verdict.passed else 'REFUSED'}",
        _plain(plan.definition.description),
        _plain(say_verdict(candidate)),
        *(f"{_plain(words)} `{command}`" for words, command in next_steps(candidate)),
        _markdown_table(["Check", "Result", "What was found"], checks),
        _markdown_table(["Metric", *models, "Candidate, training rows"], metrics),
        f"Most important features: {features}.",
        f"Weakest slices by {name_metric(metric)}: {weakest}." if weakest else "",
        "\n".join(f"- {_plain(sentence)}" for sentence in worth_a_look(candidate)),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Make an element; `class_` is class, other underscores are hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    parts = (each if isinstance(each, Html) else escape(str(each)) for each in children)
    return Html("".join(parts))


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], class_: str = "") -> Html:
    """Make a table whose first column names its rows; it scrolls where it is too wide."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", each) for each in rest))
        for first, *rest in rows
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_=class_), class_="scroll")


def figure(title: str, text: str, svg: str) -> Html:
    return tag("figure", tag("figcaption", tag("b", title), " ", text), Html(svg))


def _metrics_table(models: dict[str, dict[Metric, float]], train: dict[Metric, float], caption: str) -> Html:
    rows = []
    for metric, (_, words) in METRICS.items():
        if metric in models["Candidate"]:
            values = [each[metric] for each in models.values()]
            best = best_of(metric, values)
            cells = [tag("b", "● ", _score(each)) if each == best else _score(each) for each in values]
            seen = [_score(train[metric])] if train else []
            rows.append([join([name_metric(metric), tag("small", words)]), *cells, *seen])
    heads = [caption, *models, *(["Candidate, on training rows"] if train else [])]
    return table(heads, rows, class_="numbers metrics")


def _gain(check: Check) -> Html:
    """Draw by how much the candidate is better, or give a check's numbers as text."""
    numbers = {k: float(v) for k, v in check.numbers.items() if isinstance(v, int | float)}
    limit = -numbers.get("margin", 0.0)
    if {"value", "low", "high"} <= numbers.keys():
        gain = charts.Gain(numbers["value"], numbers["low"], numbers["high"], limit)
    elif check.name in ("second_metric", "calibration"):
        worse = numbers.get("worse_by", numbers["candidate"] - numbers["champion"])
        gain = charts.Gain(-worse, -worse, -worse, limit)
    else:
        said = (f"{name} {_amount(value)}" for name, value in check.numbers.items() if value != "")
        return tag("small", " · ".join(said))
    label = f"{name_check(check)}: better by {gain.value:.4f}, must be above {gain.limit:.4f}"
    return Html(charts.draw_gain(gain, check.passed, label))


def _stamp(check: Check) -> Html:
    return tag("b", "✓ passed" if check.passed else "✗ failed", class_="yes" if check.passed else "no")


def _describe_column(name: str, column: ColumnSummary) -> list[object]:
    limits = [_value(column, each) for each in (column.min, column.mean, column.max)]
    often = [each for each in column.top[:_TOP] if each.count >= FREQUENT * column.rows]
    said = ", ".join(f"{each.value[:24]} {each.count / column.rows:.0%}" for each in often)
    distinct = "–" if column.distinct is None else f"{column.distinct:,}"
    return [name, column.dtype.partition("(")[0], _share(column.null_share), distinct, *limits, said]


def _value(column: ColumnSummary, value: float | None) -> str:
    """Write a value of a column; dates are kept in seconds since 1970."""
    if value is not None and column.dtype.startswith("Date") and abs(value) < _LATEST:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value):%Y-%m-%d}"
    return _amount(value)


def _first_time(candidate: Candidate) -> datetime | None:
    time = candidate.plan.definition.extract.time
    column = candidate.analysis.columns.get(time or "")
    if column is None or column.min is None or not column.dtype.startswith("Date"):
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=column.min)


def _score(value: float) -> str:
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:,.{digits}f}"


def _amount(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _day(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"


def _plain(text: str) -> str:
    """Keep Markdown and HTML in names and levels from being read as such."""
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", escape(" ".join(text.split()), quote=False))


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_STYLE = """
:root{--ink:#1c2530;--muted:#5d6b7a;--line:#dfe4e9;--soft:#f5f7f9;--accent:#23598c;
--pass:#1f7a4d;--fail:#b3261e}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 28px 80px}
h1{font-size:30px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:20px;margin:44px 0 12px}
h3{font-size:15px;margin:30px 0 8px}
header h2{font-size:15px;margin:24px 0 6px}
p{margin:6px 0}
ul{margin:0;padding-left:20px}
li{margin:3px 0}
section{border-top:1px solid var(--line);margin-top:40px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
a{color:var(--accent)}
nav{display:flex;gap:18px;margin-top:22px;font-size:14px}
small{display:block;color:var(--muted);font-weight:400;font-size:12.5px;line-height:1.4}
.muted,.eyebrow,figcaption{color:var(--muted);font-size:13.5px}
.eyebrow{font-weight:600}
.verdict{--tone:var(--pass);margin:22px 0;padding:20px 24px 22px;background:#f1f8f4;
border-left:5px solid var(--tone);border-radius:0 6px 6px 0}
.refused{--tone:var(--fail);background:#fcf3f2}
.stamp{color:var(--tone);font-size:22px;font-weight:700;margin:0}
.why{font-size:17px;max-width:46em;margin:4px 0 16px;text-wrap:pretty}
.tiles{display:flex;flex-wrap:wrap;gap:6px 44px;margin:0 0 16px}
.tiles dt{color:var(--muted);font-size:13px}
.tiles dd{margin:0;font-size:26px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles div:first-child dd{font-weight:700}
.run{display:block;margin-top:2px;padding:7px 12px;background:#fff;border:1px solid var(--line);
border-radius:5px}
.scroll{overflow-x:auto;margin:10px 0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:7px 16px 7px 0;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-size:12.5px;font-weight:600;vertical-align:bottom}
tbody th{font-weight:600}
.numbers td,.numbers thead th+th{text-align:right}
.numbers td,.checks tbody td:nth-child(2){white-space:nowrap}
.columns td:nth-child(2),.columns thead th:nth-child(2),.columns td:last-child,
.columns thead th:last-child,.parts td:last-child,.parts thead th:last-child{text-align:left}
.columns td:last-child,.parts td:last-child{white-space:normal;padding-left:12px}
.columns thead th:last-child,.parts thead th:last-child{padding-left:12px}
.checks svg{display:block;width:250px;height:auto}
.yes{color:var(--pass)}
.no{color:var(--fail)}
.grid{display:grid;grid-template-columns:1fr 1fr;gap:28px 44px;align-items:start}
figure{margin:14px 0 0;max-width:520px;break-inside:avoid}
figcaption{margin-bottom:8px}
figcaption b{display:block;color:var(--ink);font-size:15px}
figure svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}
details{margin-top:26px}
summary{cursor:pointer;color:var(--accent)}
.strip{display:flex;height:20px;gap:2px;margin:10px 0 14px}
.strip i{min-width:3px}
.swatch{display:inline-block;width:11px;height:11px;margin-right:8px}
.fit{background:#23598c}
.stop{background:#7fa3c4}
.gap{background:#c3cad1}
.holdout{background:#d1962a}
@media (max-width:700px){
main{padding:24px 16px 60px}
h1{font-size:24px}
.grid{grid-template-columns:minmax(0,1fr)}
.verdict{padding:16px}
.tiles{gap:8px 28px}
.checks thead{display:none}
.checks tr{display:block;padding:9px 0;border-bottom:1px solid var(--line)}
.checks th,.checks td{display:block;border:0;padding:1px 0}
}
@media print{
@page{margin:14mm}
body{font-size:12px}
main{max-width:none;padding:0}
nav{display:none}
tr,.verdict{break-inside:avoid}
details::details-content{content-visibility:visible;display:block;height:auto}
}
"""
