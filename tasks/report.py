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

CHECKS = {
    "holdout_rows": "Enough holdout rows",
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
_SLICES, _BARS, _TOP, _LABEL = 24, 14, 3, 32
_MOVED, _MOVED_FAR = 0.1, 0.25  # the field's rules of thumb for the PSI
_EPOCH, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), 2.5e11  # later dates Python does not know


class Html(str):
    """Text that is markup already, and is not escaped again."""


def draw_report(candidate: Candidate) -> dict[str, str]:
    """Draw a candidate's `report.html` and write its `report.md`."""
    return {"report.html": write_page(candidate), "report.md": write_summary(candidate)}


def say_verdict(candidate: Candidate) -> str:
    """Say in a sentence or two why the candidate passed or was refused."""
    verdict, split = candidate.verdict, candidate.prepared.split
    bad, count = failed(verdict.checks), len(verdict.checks)
    if bad:
        named = "; ".join(f"{name_check(check)} ({check.detail})" for check in bad)
        return f"{len(bad)} of the {count} checks of its gate failed: {named}."
    period = ""
    if split.holdout and split.matured:
        period = f" from {_day(split.holdout)} to {_day(split.matured)}"
    rival = "and there is no champion yet"
    if verdict.champion:
        margin = candidate.plan.definition.gate.margin
        rival = f"and not worse than the champion by more than the margin of {margin * 100:g}%"
    return (
        f"On {candidate.evaluation.rows:,} rows{period} that it never learned from, it is better "
        f"than the baseline and than a simple model, {rival}. All {count} checks passed."
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
    evaluation, metric = candidate.evaluation, candidate.plan.definition.metric
    name, training = METRICS[metric][0], candidate.plan.definition.training
    whole, train = evaluation.metrics["holdout"][metric], evaluation.metrics["train"][metric]
    yield f"{name} is {_score(train)} on rows it learned from and {_score(whole)} on the holdout."
    yield compare_averages(candidate)
    champion = candidate.verdict.champion
    if champion and champion.rows != evaluation.rows:
        ours, theirs = (_score(each[metric]) for each in (champion.candidate, champion.metrics))
        yield f"On the {champion.rows:,} rows that the champion never saw: {ours} against {theirs}."
    for each in rank_slices(candidate)[:1]:
        value = _score(each.metrics[metric])
        yield f"It is weakest where {name_slice(each)}: {name} {value} on {each.rows:,} rows."
    moved = [each for each in rank_drift(candidate) if (each.psi or 0) > _MOVED]
    if moved:
        named = ", ".join(f"{each.column} (PSI {each.psi:.2f})" for each in moved[:_TOP])
        more = f" and {len(moved) - _TOP} more" if len(moved) > _TOP else ""
        yield f"Moved since the champion's snapshot: {named}{more}."
    for drift in changed_columns(candidate):
        yield f"Column {drift.column} was {drift.change} since the champion's snapshot."
    if unlabelled := candidate.prepared.unlabelled:
        yield f"{unlabelled:,} matured rows have no label and were left out."
    if training.early_stopping and candidate.trained.rounds == training.rounds:
        yield f"The loss still fell in the last of {training.rounds:,} rounds: allow more of them."
    yield from (f"{warning[:1].upper()}{warning[1:]}." for warning in candidate.analysis.warnings)


def compare_averages(candidate: Candidate) -> str:
    """Say what was predicted on average, and what came true."""
    bins, kind = candidate.evaluation.calibration, candidate.plan.definition.target.kind
    rows = sum(each.rows for each in bins)
    predicted = sum(each.rows * each.predicted for each in bins) / rows
    observed = sum(each.rows * each.observed for each in bins) / rows
    if kind == "regression":
        return f"It predicts {_amount(predicted)} on average; {_amount(observed)} came true."
    if kind == "multiclass":
        return f"It is {predicted:.1%} sure on average, and right in {observed:.1%} of the rows."
    return f"It predicts {predicted:.1%} of the rows to be positive; {observed:.1%} were."


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
    return sorted(
        (each for each in known if each.column != time), key=lambda each: -(each.psi or 0)
    )


def changed_columns(candidate: Candidate) -> list[ColumnDrift]:
    return [each for each in candidate.analysis.drift if each.change != "none"]


def name_check(check: Check) -> str:
    return CHECKS.get(check.name, check.name.replace("_", " ").capitalize())


def name_metric(metric: Metric) -> str:
    return f"{METRICS[metric][0]} {'↑' if metric in HIGHER_IS_BETTER else '↓'}"


def name_slice(each: Slice) -> str:
    return f"{each.slice} = {each.level}"


def write_page(candidate: Candidate) -> str:
    """Write the whole page: what a decision needs first, where it all comes from last."""
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
    title = f"{candidate.plan.definition.name} {candidate.plan.version}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', title)}<style>{_STYLE}</style></head>\n"
        f"<body>{tag('main', header, *body)}</body></html>\n"
    )


def show_verdict(candidate: Candidate) -> Iterator[Html]:
    """Show what it is, whether it passed and why, the step that comes next, and what to weigh."""
    plan, verdict = candidate.plan, candidate.verdict
    target, metric = plan.definition.target, plan.definition.metric
    as_of = f" as of {_moment(plan.as_of)} UTC" if plan.as_of else ""
    tiles = [
        tag("div", tag("dt", model), tag("dd", _score(metrics[metric])))
        for model, metrics in compare_models(candidate).items()
    ]
    yield tag("p", f"Candidate for {plan.definition.name}", class_="eyebrow")
    yield tag("h1", plan.definition.description or plan.definition.name)
    yield tag("p", "Version ", tag("code", plan.version), as_of, class_="muted")
    yield tag("p", "Predicts ", tag("code", target.value), f" ({target.kind})", class_="muted")
    yield tag(
        "div",
        tag("p", "✓ Passed" if verdict.passed else "✗ Refused", class_="stamp"),
        tag("p", say_verdict(candidate), class_="why"),
        tag("p", f"{name_metric(metric)} on the holdout", class_="muted"),
        tag("dl", *tiles, class_="tiles"),
        *(tag("p", words, _command(run)) for words, run in next_steps(candidate)),
        class_="verdict" if verdict.passed else "verdict refused",
    )
    yield tag("h2", "Worth a look before deciding")
    yield tag("ul", *(tag("li", sentence) for sentence in worth_a_look(candidate)))


def _command(line: str) -> Html:
    """Show a command so that no line breaks inside a word of it."""
    spaced = [each for word in line.split() for each in (tag("span", word), " ")]
    return tag("code", *spaced[:-1], class_="run")


def show_checks(candidate: Candidate) -> Iterator[Html]:
    """Show each check of the gate with its numbers."""
    yield tag(
        "p",
        "Charts show by how much the candidate is better, with its "
        f"{candidate.plan.definition.gate.confidence * 100:g}% interval where there is one; "
        "to pass, all of it must lie in the green zone.",
        class_="muted",
    )
    checks = candidate.verdict.checks
    rows = [[name_check(each), _stamp(each), each.detail, _show_numbers(each)] for each in checks]
    yield table(["Check", "Result", "What was found", "Numbers"], rows, "checks")


def _show_numbers(check: Check) -> Html:
    """Draw by how much the candidate is better, or give a check's numbers as text."""
    numbers = {k: float(v) for k, v in check.numbers.items() if isinstance(v, int | float)}
    limit = -numbers.get("margin", 0.0)
    if {"value", "low", "high"} <= numbers.keys():
        gain = charts.Gain(numbers["value"], numbers["low"], numbers["high"], limit)
    elif check.name in ("second_metric", "calibration"):
        worse = numbers.get("worse_by", numbers["candidate"] - numbers["champion"])
        gain = charts.Gain(-worse, -worse, -worse, limit)
    else:
        known = {name: value for name, value in check.numbers.items() if value != ""}
        return tag("small", " · ".join(f"{name} {_amount(known[name])}" for name in known))
    label = f"{name_check(check)}: better by {gain.value:.4f}, limit {gain.limit:.4f}"
    return Html(charts.draw_gain(gain, check.passed, label))


def show_metrics(candidate: Candidate) -> Iterator[Html]:
    """Set the models side by side, on the same rows each time."""
    evaluation, champion = candidate.evaluation, candidate.verdict.champion
    caption = f"On the holdout ({evaluation.rows:,} rows)"
    yield _compare(compare_models(candidate), evaluation.metrics["train"], caption)
    if champion and champion.rows != evaluation.rows:
        models = {"Candidate": champion.candidate, "Champion": champion.metrics}
        yield _compare(models, {}, f"On the {champion.rows:,} rows that the champion never saw")
    notes = ["↑ higher is better, ↓ lower is better; ● marks the best."]
    if candidate.plan.definition.target.kind == "binary":
        threshold = candidate.plan.definition.serving.threshold
        notes.append(f"Accuracy calls a row positive from a probability of {threshold:g} on.")
    if champion:
        twin = " (its evaluated twin: the released model has seen too much of this holdout)"
        notes.append(
            f"The champion is {champion.version}{twin if champion.model == 'twin' else ''}."
        )
    if candidate.refitted:
        notes.append(
            "The model to be released was fitted once more, by the same recipe, on all rows with "
            "a matured label; these numbers belong to its twin, which never saw the holdout."
        )
    yield tag("p", " ".join(notes), class_="muted")


def _compare(
    models: dict[str, dict[Metric, float]], train: dict[Metric, float], caption: str
) -> Html:
    rows = []
    for metric in models["Candidate"]:
        values = [each[metric] for each in models.values()]
        best = max(values) if metric in HIGHER_IS_BETTER else min(values)
        cells = [tag("b", f"● {_score(each)}") if each == best else _score(each) for each in values]
        seen = [_score(train[metric])] if train else []
        name = join([name_metric(metric), tag("small", METRICS[metric][1])])
        rows.append([name, *cells, *seen])
    last = ["Candidate, on training rows"] if train else []
    return table([caption, *models, *last], rows, "numbers")


def show_charts(candidate: Candidate) -> Iterator[Html]:
    """Show the charts that fit the target, then slices as a table."""
    yield tag("div", *_draw_curves(candidate), *_draw_rankings(candidate), class_="grid")
    slices, metrics = rank_slices(candidate), list(candidate.evaluation.metrics["holdout"])
    if slices:
        rows = [
            [name_slice(each), f"{each.rows:,}", *(_score(each.metrics[name]) for name in metrics)]
            for each in slices
        ]
        heads = ["Slice", "Rows", *map(name_metric, metrics)]
        summary = tag("summary", f"All {len(slices)} slices as a table")
        yield tag("details", summary, table(heads, rows, "numbers"))


def _draw_curves(candidate: Candidate) -> Iterator[Html]:
    evaluation, curves = candidate.evaluation, candidate.evaluation.curves
    if "roc" in curves:
        text = "How many positives are found for how many false alarms. Dashed: guessing."
        yield figure("ROC curve", text, charts.draw_roc(curves["roc"], "ROC curve"))
    if "precision_recall" in curves:
        text = "How many alarms are right when so many positives are found. Dashed: guessing."
        drawn = charts.draw_precision_recall(curves["precision_recall"], "Precision by recall")
        yield figure("Precision and recall", text, drawn)
    if "residuals" in curves:
        text = "The median error, with half (dark) and 80% (light) of the rows around it."
        drawn = charts.draw_residuals(curves["residuals"], "Residuals by prediction")
        yield figure("Residuals", text, drawn)
    bins = {
        name: [getattr(each, name) for each in evaluation.calibration]
        for name in ("predicted", "observed", "rows")
    }
    shares = candidate.plan.definition.target.kind != "regression"
    error = f"{evaluation.calibration_error:.3f}" + ("" if shares else " standard deviations")
    text = f"Tenths of the rows; dashed: predicted as observed. Mean distance {error}."
    drawn = charts.draw_calibration(bins, shares, "Observed by predicted")
    yield figure("Calibration", text, drawn)
    if "learning" in curves:
        text = "Loss by round on the stopping slice. Dashed: the rounds that were taken."
        drawn = charts.draw_learning(curves["learning"], candidate.trained.rounds, "Loss by round")
        yield figure("Learning curve", text, drawn)


def _draw_rankings(candidate: Candidate) -> Iterator[Html]:
    metric, ranked = candidate.plan.definition.metric, candidate.evaluation.importance
    bars = [charts.Bar(each.feature, each.share, f"{each.share:.1%}") for each in ranked[:_BARS]]
    if rest := ranked[_BARS:]:
        share = sum(each.share for each in rest)
        bars.append(charts.Bar(f"{len(rest)} others", share, f"{share:.1%}", faint=True))
    text = "Share of all contributions to predictions (mean absolute SHAP values)."
    drawn = charts.draw_bars(bars, 0.1, "Features by importance")
    yield figure("Feature importance", text, drawn)
    slices = rank_slices(candidate)[:_SLICES]
    if slices:
        values = [each.metrics[metric] for each in slices]
        dots: dict[str, list[float]] = {"value": values, "rows": [each.rows for each in slices]}
        labels = [f"{_shorten(name_slice(each))} ({each.rows:,})" for each in slices]
        whole = candidate.evaluation.metrics["holdout"][metric]
        title = name_metric(metric)
        drawn = charts.draw_lollipops(dots, labels, whole, title, f"{title} by slice")
        count = f"{len(slices)} of {len(candidate.evaluation.slices)} slices"
        text = f"{title} of {count}, weakest first, rows in brackets. Dashed: the whole holdout."
        yield figure("Slices", text, drawn)


def show_data(candidate: Candidate) -> Iterator[Html]:
    """Show where rows went, whether the contract holds, how columns moved and what they hold."""
    analysis = candidate.analysis
    yield from _show_parts(candidate)
    yield tag("h3", "Data contract")
    checks = [[check.name, _stamp(check), check.detail] for check in analysis.checks]
    yield table(["Check", "Result", "What was found"], checks, "checks")
    yield tag("p", "Warnings: ", "; ".join(analysis.warnings) or "none", ".", class_="muted")
    yield tag("h3", "Drift since the champion's snapshot")
    yield from _show_drift(candidate)
    yield tag("h3", "Columns")
    heads = ["Column", "Type", "Missing", "Distinct", "Min", "Mean", "Max", "Frequent values"]
    columns = [_describe_column(name, column) for name, column in analysis.columns.items()]
    yield table(heads, columns, "numbers columns")


def _show_parts(candidate: Candidate) -> Iterator[Html]:
    prepared, split, total = candidate.prepared, candidate.prepared.split, candidate.snapshot.rows
    ends = [_first_time(candidate), split.stop, split.gap, split.holdout, split.matured]
    rows, strip = [], []
    for part in Part:
        name = part.name.lower()
        if count := prepared.rows[name]:
            span = [" – ".join(map(_moment, ends[part : part + 2]))] if split.holdout else []
            label = join([tag("i", class_=f"swatch {name}"), name.capitalize()])
            rows.append([label, f"{count:,}", f"{count / total:.1%}", *span, PARTS[name]])
            strip.append(tag("i", class_=name, style=f"flex-grow:{count}"))
    lost = {
        "Unlabelled": (prepared.unlabelled, "matured, and yet without a label: left out"),
        "Immature": (prepared.immature, "too young to have a label: left out"),
    }
    for part_lost, (count, words) in lost.items():
        span = [""] if split.holdout else []
        rows.append([part_lost, f"{count:,}", f"{count / total:.1%}", *span, words])
    yield tag("h3", f"{total:,} rows, and where they went")
    yield tag("div", *strip, class_="strip", role="img", aria_label="Rows by part, as tabulated")
    heads = ["Part", "Rows", "Share", *(["Period (UTC)"] if split.holdout else []), "What for"]
    yield table(heads, rows, "numbers parts")


def _show_drift(candidate: Candidate) -> Iterator[Html]:
    reference, changed = candidate.analysis.reference, changed_columns(candidate)
    ranked = rank_drift(candidate)[:_BARS]
    if reference is None:
        yield tag("p", "There is no champion yet to compare with.")
        return
    if changed:
        rows = [
            [each.column, each.change, each.reference_dtype or "–", each.current_dtype or "–"]
            for each in changed
        ]
        yield table(["Column", "Change", "Type before", "Type now"], rows)
    psi = {each.column: each.psi or 0.0 for each in ranked}
    bars = [charts.Bar(name, psi[name], f"{psi[name]:.3f}", psi[name] < _MOVED) for name in psi]
    text = (
        f"Against the snapshot of {reference}. Below {_MOVED} hardly a shift, above {_MOVED_FAR} "
        "a large one; columns made from the calendar move by themselves."
    )
    shares = [
        [
            each.column,
            f"{each.hellinger:.3f}",
            *map(_share, (each.reference_nulls, each.current_nulls, each.unseen)),
        ]
        for each in ranked
    ]
    heads = ["Column", "Hellinger", "Missing before", "Missing now", "New levels"]
    drawn = figure("PSI by column", text, charts.draw_bars(bars, _MOVED_FAR, "Columns by PSI"))
    yield tag("div", drawn, table(heads, shares, "numbers"), class_="grid")


def _describe_column(name: str, column: ColumnSummary) -> list[object]:
    limits = [_value(column, each) for each in (column.min, column.mean, column.max)]
    often = [each for each in column.top[:_TOP] if each.count >= FREQUENT * column.rows]
    said = ", ".join(f"{_shorten(each.value)} ({each.count / column.rows:.0%})" for each in often)
    distinct = "–" if column.distinct is None else f"{column.distinct:,}"
    kind = column.dtype.partition("(")[0]
    return [name, kind, _share(column.null_share), distinct, *limits, said]


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
    values = [[name, tag("code", value)] for name, value in facts.items()]
    seconds = [[step.name, f"{step.seconds:.2f}"] for step in candidate.steps]
    tables = table(["Made from", "Value"], values), table(["Step", "Seconds"], seconds, "numbers")
    yield tag("div", *tables, class_="grid")


def write_summary(candidate: Candidate) -> str:
    """Write the short version in Markdown."""
    plan, evaluation, models = candidate.plan, candidate.evaluation, compare_models(candidate)
    checks = [
        [name_check(check), "passed" if check.passed else "FAILED", check.detail]
        for check in candidate.verdict.checks
    ]
    metrics = [
        [name_metric(name), *(_score(each[name]) for each in models.values()), _score(seen)]
        for name, seen in evaluation.metrics["train"].items()
    ]
    features = [f"{each.feature} ({each.share:.0%})" for each in evaluation.importance[:_TOP]]
    weakest = [
        f"{name_slice(each)} ({_score(each.metrics[plan.definition.metric])})"
        for each in rank_slices(candidate)[:_TOP]
    ]
    verdict = "passed" if candidate.verdict.passed else "REFUSED"
    looks = [
        *worth_a_look(candidate),
        f"Most important features: {', '.join(features)}.",
        f"Weakest slices by {name_metric(plan.definition.metric)}: {', '.join(weakest) or 'none'}.",
    ]
    blocks = [
        f"# {plan.definition.name} {plan.version}: {verdict}",
        _plain(plan.definition.description),
        _plain(say_verdict(candidate)),
        *(f"{_plain(words)} `{command}`" for words, command in next_steps(candidate)),
        _markdown_table(["Check", "Result", "What was found"], checks),
        _markdown_table(["Metric", *models, "Candidate, on training rows"], metrics),
        "\n".join(f"- {_plain(sentence)}" for sentence in looks),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


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
    made = tag("table", tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", made, class_="scroll")


def figure(title: str, text: str, svg: str) -> Html:
    return tag("figure", tag("figcaption", tag("b", title), text), Html(svg))


def _stamp(check: Check) -> Html:
    words = "✓ passed" if check.passed else "✗ failed"
    return tag("b", words, class_="yes" if check.passed else "no")


def _value(column: ColumnSummary, value: float | None) -> str:
    """Write a value of a column; its dates are in seconds since 1970."""
    if value is not None and column.dtype.startswith("Date") and abs(value) < _LATEST:
        return f"{_EPOCH + timedelta(seconds=value):%Y-%m-%d}"
    return _amount(value)


def _first_time(candidate: Candidate) -> datetime | None:
    column = candidate.analysis.columns.get(candidate.plan.definition.extract.time or "")
    if column is None or column.min is None or not column.dtype.startswith("Date"):
        return None
    return _EPOCH + timedelta(seconds=column.min)


def _score(value: float) -> str:
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:,.{digits}f}"


def _amount(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _shorten(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"


def _day(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"


def _plain(text: str) -> str:
    """Keep Markdown and HTML in names and levels from being read as such."""
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", escape(" ".join(text.split()), quote=False))


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)


_STYLE = """
:root{--ink:#1c2530;--muted:#5d6b7a;--line:#dfe4e9;--accent:#23598c;--pass:#1f7a4d;--fail:#b3261e}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 28px 80px}
h1{font-size:30px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:20px;margin:32px 0 12px}
h3{font-size:15px;margin:30px 0 8px}
header h2{font-size:15px;margin:24px 0 6px}
p{margin:6px 0}
ul{margin:0 0 12px;padding-left:20px}
li{margin:3px 0}
section{border-top:1px solid var(--line);margin-top:36px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:20px;font-size:14px}
a,summary{color:var(--accent)}
small{display:block;color:var(--muted);font-weight:400;font-size:12.5px;line-height:1.4}
.muted,.eyebrow,figcaption{color:var(--muted);font-size:13.5px}
.eyebrow{font-weight:600}
.verdict{--tone:var(--pass);margin:22px 0;padding:20px 24px;background:#f1f8f4;
border-left:5px solid var(--tone);border-radius:0 6px 6px 0}
.refused{--tone:var(--fail);background:#fcf3f2}
.stamp{color:var(--tone);font-size:22px;font-weight:700;margin:0}
.why{font-size:17px;max-width:46em;margin:4px 0 14px;text-wrap:pretty}
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
.numbers td,.numbers th+th{text-align:right}
.numbers td,.run span,.checks td:nth-child(2){white-space:nowrap}
.numbers tbody th{min-width:120px}
.columns :is(td,th):nth-child(2),:is(.columns,.parts) :is(td,th):last-child{text-align:left}
:is(.columns,.parts) :is(td,th):last-child{white-space:normal;padding-left:12px}
.checks svg{display:block;width:250px;height:auto}
.yes{color:var(--pass)}
.no{color:var(--fail)}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:28px 44px;align-items:start}
figure{margin:14px 0 0;max-width:520px;break-inside:avoid}
figcaption{margin-bottom:8px}
figcaption b{display:block;color:var(--ink);font-size:15px}
figure svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}
details{margin-top:26px}
summary{cursor:pointer}
.strip{display:flex;height:20px;gap:2px;margin:10px 0 14px}
.strip i{min-width:3px}
.swatch{display:inline-block;width:11px;height:11px;margin-right:8px}
.fit{background:#23598c}
.stop{background:#7fa3c4}
.gap{background:#c3cad1}
.holdout{background:#d1962a}
@media screen and (max-width:700px){
main{padding:24px 16px 60px}
h1{font-size:24px}
.grid{grid-template-columns:minmax(0,1fr)}
.verdict{padding:16px}
.tiles{gap:8px 28px}
.checks thead{display:none}
.checks tr{display:block;padding:9px 0;border-bottom:1px solid var(--line)}
.checks :is(th,td){display:block;border:0;padding:1px 0}
}
@media print{
@page{margin:14mm}
body{zoom:.75}
main{max-width:none;padding:0}
nav,summary{display:none}
tr,.verdict{break-inside:avoid}
details::details-content{content-visibility:visible;display:block;height:auto}
}
"""
