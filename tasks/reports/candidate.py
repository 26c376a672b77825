"""The report: the page on which a person decides about a candidate.

Owns what the page shows, and in which order. Refuses to judge (the gate did), to measure
(evaluation did), to word a sentence, to write markup and to know how a chart is drawn.
"""

from collections.abc import Iterator

from tasks.core.checks import Check
from tasks.core.definition import Metric
from tasks.evaluation.metrics import HIGHER_IS_BETTER
from tasks.reports import charts
from tasks.reports.candidate_data import show_data
from tasks.reports.candidate_text import (
    METRICS,
    compare_models,
    name_check,
    name_metric,
    name_slice,
    next_steps,
    rank_slices,
    say_verdict,
    shorten,
    worth_a_look,
    write_amount,
    write_moment,
    write_score,
    write_summary,
)
from tasks.reports.page import (
    Html,
    command,
    document_of,
    figure,
    fold,
    grid,
    join,
    stamp,
    table,
    tag,
)
from tasks.training.tuning import best_trial
from tasks.validation.candidate import Candidate

_SLICES, _BARS = 24, 14


def draw_report(candidate: Candidate) -> dict[str, str]:
    """Draw a candidate's `report.html` and write its `report.md`."""
    return {"report.html": write_page(candidate), "report.md": write_summary(candidate)}


def write_page(candidate: Candidate) -> str:
    """Write the whole page: what a decision needs first, where it all comes from last."""
    sections = {
        "Checks": show_checks(candidate),
        "Metrics": show_metrics(candidate),
        "Charts": show_charts(candidate),
        "Data": show_data(candidate),
        "Lineage": show_lineage(candidate),
    }
    title = f"{candidate.plan.definition.name} {candidate.plan.version}"
    return document_of(title, show_verdict(candidate), sections)


def show_verdict(candidate: Candidate) -> Iterator[Html]:
    """Show what it is, whether it passed and why, the step that comes next, and what to weigh."""
    plan, target = candidate.plan, candidate.plan.definition.target
    as_of = f" as of {write_moment(plan.as_of)} UTC" if plan.as_of else ""
    yield tag("p", f"Candidate for {plan.definition.name}", class_="eyebrow")
    yield tag("h1", plan.definition.description or plan.definition.name)
    yield tag("p", "Version ", tag("code", plan.version), as_of, class_="muted")
    yield tag("p", "Predicts ", tag("code", target.value), f" ({target.kind})", class_="muted")
    passed = candidate.verdict.passed
    yield tag("div", *_show_stamped(candidate), class_="verdict" if passed else "verdict refused")
    yield tag("h2", "Worth a look before deciding")
    yield tag("ul", *(tag("li", sentence) for sentence in worth_a_look(candidate)))


def _show_stamped(candidate: Candidate) -> Iterator[Html]:
    metric = candidate.plan.definition.metric
    tiles = [
        tag("div", tag("dt", model), tag("dd", write_score(metrics[metric])))
        for model, metrics in compare_models(candidate).items()
    ]
    yield tag("p", "✓ Passed" if candidate.verdict.passed else "✗ Refused", class_="stamp")
    yield tag("p", say_verdict(candidate), class_="why")
    yield tag("p", f"{name_metric(metric)} on the holdout", class_="muted")
    yield tag("dl", *tiles, class_="tiles")
    yield from (tag("p", words, command(run)) for words, run in next_steps(candidate))


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
    rows = [
        [name_check(each), stamp(each.passed), each.detail, _show_numbers(each)] for each in checks
    ]
    yield table(["Check", "Result", "What was found", "Numbers"], rows, "checks")


def _show_numbers(check: Check) -> Html:
    """Draw by how much the candidate is better, or give a check's numbers as text."""
    numbers = {k: float(v) for k, v in check.numbers.items() if isinstance(v, int | float)}
    limit = -numbers.get("margin", 0.0)
    if not {"value", "low", "high"} <= numbers.keys():
        known = {name: value for name, value in check.numbers.items() if value != ""}
        return tag("small", " · ".join(f"{name} {write_amount(known[name])}" for name in known))
    gain = charts.Gain(numbers["value"], numbers["low"], numbers["high"], limit)
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
    yield tag("p", " ".join(_note_metrics(candidate)), class_="muted")


def _compare(
    models: dict[str, dict[Metric, float]], train: dict[Metric, float], caption: str
) -> Html:
    rows = []
    for metric in models["Candidate"]:
        values = [each[metric] for each in models.values()]
        best = max(values) if metric in HIGHER_IS_BETTER else min(values)
        scores = [(write_score(each), each == best) for each in values]
        cells = [tag("b", f"● {score}") if leads else score for score, leads in scores]
        seen = [write_score(train[metric])] if train else []
        name = join([name_metric(metric), tag("small", METRICS[metric][1])])
        rows.append([name, *cells, *seen])
    last = ["Candidate, on training rows"] if train else []
    return table([caption, *models, *last], rows, "numbers")


def _note_metrics(candidate: Candidate) -> Iterator[str]:
    definition, champion = candidate.plan.definition, candidate.verdict.champion
    yield "↑ higher is better, ↓ lower is better; ● marks the best."
    if definition.target.kind == "binary":
        threshold = definition.serving.threshold
        yield f"Accuracy calls a row positive from a probability of {threshold:g} on."
    if champion:
        twin = " (its evaluated twin: the released model has seen too much of this holdout)"
        yield f"The champion is {champion.version}{twin if champion.model == 'twin' else ''}."
    if candidate.refitted:
        yield (
            "The model to be released was fitted once more, by the same recipe, on all rows with "
            "a matured label; these numbers belong to its twin, which never saw the holdout."
        )


def show_charts(candidate: Candidate) -> Iterator[Html]:
    """Show the charts that fit the target, then slices as a table."""
    slices, metrics = rank_slices(candidate), list(candidate.evaluation.metrics["holdout"])
    drawn = [*_draw_curves(candidate), _draw_importance(candidate)]
    if not slices:
        yield grid(*drawn)
        return
    yield grid(*drawn, _draw_slices(candidate))
    rows = [
        [name_slice(each), f"{each.rows:,}", *(write_score(each.metrics[name]) for name in metrics)]
        for each in slices
    ]
    heads = ["Slice", "Rows", *map(name_metric, metrics)]
    yield fold(f"All {len(slices)} slices as a table", table(heads, rows, "numbers"))


def _draw_curves(candidate: Candidate) -> Iterator[Html]:
    curves = candidate.evaluation.curves
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
    yield _draw_calibration(candidate)
    if "learning" in curves:
        text = "Loss by round on the stopping slice. Dashed: the rounds that were taken."
        drawn = charts.draw_learning(curves["learning"], candidate.trained.rounds, "Loss by round")
        yield figure("Learning curve", text, drawn)
    if candidate.trials:
        yield _draw_trials(candidate)


def _draw_trials(candidate: Candidate) -> Html:
    trials = candidate.trials
    best = [trials[best_trial(trials[:end])].loss for end in range(1, len(trials) + 1)]
    losses, pruned = [each.loss for each in trials], [each.pruned for each in trials]
    first, taken = trials[0].loss, best_trial(trials)
    text = (
        f"Loss on slices of the training window: {first:.5f} as defined, {best[-1]:.5f} by trial "
        f"{taken + 1}, which was taken. Pale: given up after its first slices."
    )
    return figure("Tuning", text, charts.draw_trials(losses, pruned, best, "Loss by trial"))


def _draw_calibration(candidate: Candidate) -> Html:
    evaluation = candidate.evaluation
    bins = {
        name: [getattr(each, name) for each in evaluation.calibration]
        for name in ("predicted", "observed", "rows")
    }
    shares = candidate.plan.definition.target.kind != "regression"
    error = f"{evaluation.calibration_error:.3f}" + ("" if shares else " standard deviations")
    text = f"Tenths of the rows; dashed: predicted as observed. Mean distance {error}."
    drawn = charts.draw_calibration(bins, shares, "Observed by predicted")
    return figure("Calibration", text, drawn)


def _draw_importance(candidate: Candidate) -> Html:
    ranked = candidate.evaluation.importance
    bars = [charts.Bar(each.feature, each.share, f"{each.share:.1%}") for each in ranked[:_BARS]]
    if rest := ranked[_BARS:]:
        share = sum(each.share for each in rest)
        bars.append(charts.Bar(f"{len(rest)} others", share, f"{share:.1%}", faint=True))
    text = "Share of all contributions to predictions (mean absolute SHAP values)."
    drawn = charts.draw_bars(bars, 0.1, "Features by importance")
    return figure("Feature importance", text, drawn)


def _draw_slices(candidate: Candidate) -> Html:
    metric, slices = candidate.plan.definition.metric, rank_slices(candidate)[:_SLICES]
    values = [each.metrics[metric] for each in slices]
    dots: dict[str, list[float]] = {"value": values, "rows": [each.rows for each in slices]}
    labels = [f"{shorten(name_slice(each))} ({each.rows:,})" for each in slices]
    whole, title = candidate.evaluation.metrics["holdout"][metric], name_metric(metric)
    drawn = charts.draw_lollipops(dots, labels, whole, title, f"{title} by slice")
    count = f"{len(slices)} of {len(candidate.evaluation.slices)} slices"
    text = f"{title} of {count}, weakest first, rows in brackets. Dashed: the whole holdout."
    return figure("Slices", text, drawn)


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
    yield grid(*tables)
    if candidate.trials:
        yield fold(f"All {len(candidate.trials)} trials", _tabulate_trials(candidate))


def _tabulate_trials(candidate: Candidate) -> Html:
    searched = list(dict.fromkeys(name for each in candidate.trials for name in each.params))
    taken = best_trial(candidate.trials)
    rows = [
        [
            f"{place + 1}{' (taken)' if place == taken else ''}",
            *(f"{each.params[name]:.4g}" if name in each.params else "–" for name in searched),
            f"{each.loss:.5f}{' (pruned)' if each.pruned else ''}",
        ]
        for place, each in enumerate(candidate.trials)
    ]
    return table(["Trial", *searched, "Loss"], rows, "numbers")
