"""The report's words: what checks and metrics are called, its sentences, and its short version.

Owns plain words, how numbers are written and in which order things are named. Refuses to judge
(the gate did), to measure (evaluation did) and to know HTML.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from tasks.analysis.profile import ColumnSummary
from tasks.analysis.profile_drift import ColumnDrift
from tasks.core.checks import Check, failed
from tasks.core.definition import Metric
from tasks.evaluation.evaluate import Slice
from tasks.evaluation.metrics import HIGHER_IS_BETTER
from tasks.training.early_stopping import warn_of_rounds
from tasks.validation.candidate import Candidate

CHECKS = {
    "holdout_rows": "Enough holdout rows",
    "beats_baseline": "Better than the baseline",
    "beats_baseline_on_loss": "Better than the baseline on its loss",
    "beats_simple_model": "Better than a simple model",
    "calibrated": "Predictions can be taken at their word",
    "champion_is_comparable": "Can be compared with the champion",
    "not_worse_than_champion": "Not worse than the champion",
    "second_metric": "No loss on the second metric",
    "calibration": "As well calibrated as the champion",
    "slices": "No slice is worse off",
    "plausible": "Not too good to be true",
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
MOVED, MOVED_FAR = 0.1, 0.25  # the field's rules of thumb for the PSI
TOP = 3  # how many of a ranking a sentence names

_LABEL = 32
_EPOCH, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), 2.5e11  # later dates Python does not know


def say_verdict(candidate: Candidate) -> str:
    """Say in a sentence or two why the candidate passed or was refused."""
    bad, count = failed(candidate.verdict.checks), len(candidate.verdict.checks)
    if bad:
        named = "; ".join(f"{name_check(check)} ({check.detail})" for check in bad)
        return f"{len(bad)} of the {count} checks of its gate failed: {named}."
    rival = "and there is no champion yet"
    if candidate.verdict.champion:
        margin = candidate.plan.definition.gate.margin
        rival = f"and not worse than the champion by more than the margin of {margin * 100:g}%"
    rows = f"{candidate.evaluation.rows:,} rows{_say_period(candidate)}"
    return (
        f"On {rows} that it never learned from, it is better "
        f"than the baseline and than a simple model, {rival}. All {count} checks passed."
    )


def _say_period(candidate: Candidate) -> str:
    split = candidate.prepared.split
    if not split.holdout or not split.matured:
        return ""
    start, end = (f"{time.day} {time:%B %Y}" for time in (split.holdout, split.matured))
    return f" from {start} to {end}"


def next_steps(candidate: Candidate) -> list[tuple[str, str]]:
    """Give what can be done now, each with its command."""
    definition, origin = candidate.plan.definition, candidate.plan.origin
    name, signed = definition.name, "--as NAME --reason TEXT"
    if not candidate.verdict.passed:
        words = f"Its gate refused it. Look at what failed, change the data or {origin}, and run"
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
    yield from _look_at_scores(candidate)
    yield from _look_at_drift(candidate)
    yield from _look_at_rows_and_rounds(candidate)
    yield from map(_as_sentence, candidate.analysis.warnings)


def _look_at_scores(candidate: Candidate) -> Iterator[str]:
    evaluation, metric = candidate.evaluation, candidate.plan.definition.metric
    name, champion = METRICS[metric][0], candidate.verdict.champion
    train, whole = (write_score(evaluation.metrics[on][metric]) for on in ("train", "holdout"))
    yield f"{name} is {train} on rows it learned from and {whole} on the holdout."
    yield compare_averages(candidate)
    if champion and champion.rows != evaluation.rows:
        ours, theirs = (write_score(on[metric]) for on in (champion.candidate, champion.metrics))
        yield f"On the {champion.rows:,} rows that the champion never saw: {ours} against {theirs}."
    for each in rank_slices(candidate)[:1]:
        value = write_score(each.metrics[metric])
        yield f"It is weakest where {name_slice(each)}: {name} {value} on {each.rows:,} rows."


def _look_at_drift(candidate: Candidate) -> Iterator[str]:
    moved = [each for each in rank_drift(candidate) if (each.psi or 0) > MOVED]
    if moved:
        named = ", ".join(f"{each.column} (PSI {each.psi:.2f})" for each in moved[:TOP])
        more = f" and {len(moved) - TOP} more" if len(moved) > TOP else ""
        yield f"Moved since the champion's snapshot: {named}{more}."
    for drift in changed_columns(candidate):
        yield f"Column {drift.column} was {drift.change} since the champion's snapshot."


def _look_at_rows_and_rounds(candidate: Candidate) -> Iterator[str]:
    training = candidate.plan.definition.training
    if unlabelled := candidate.prepared.unlabelled:
        yield f"{unlabelled:,} matured rows have no label and were left out."
    if training.early_stopping and candidate.trained.rounds == training.rounds:
        yield f"The loss still fell in the last of {training.rounds:,} rounds: allow more of them."
    yield from map(
        _as_sentence,
        warn_of_rounds(
            candidate.plan.definition, candidate.trained.rounds, candidate.trained.curve
        ),
    )


def _as_sentence(warning: str) -> str:
    return f"{warning[:1].upper()}{warning[1:]}."


def compare_averages(candidate: Candidate) -> str:
    """Say what was predicted on average, and what came true."""
    bins, kind = candidate.evaluation.calibration, candidate.plan.definition.target.kind
    rows = sum(each.rows for each in bins)
    predicted = sum(each.rows * each.predicted for each in bins) / rows
    observed = sum(each.rows * each.observed for each in bins) / rows
    if kind == "regression":
        said, true = write_amount(predicted), write_amount(observed)
        return f"It predicts {said} on average; {true} came true."
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


def write_summary(candidate: Candidate) -> str:
    """Write the short version in Markdown."""
    definition = candidate.plan.definition
    verdict = "passed" if candidate.verdict.passed else "REFUSED"
    looks = [*worth_a_look(candidate), *_name_extremes(candidate)]
    blocks = [
        f"# {definition.name} {candidate.plan.version}: {verdict}",
        plain(definition.description),
        plain(say_verdict(candidate)),
        *(f"{plain(words)} `{command}`" for words, command in next_steps(candidate)),
        _tabulate_checks(candidate.verdict.checks),
        _tabulate_metrics(candidate),
        "\n".join(f"- {plain(sentence)}" for sentence in looks),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _name_extremes(candidate: Candidate) -> Iterator[str]:
    metric, importance = candidate.plan.definition.metric, candidate.evaluation.importance
    features = ", ".join(f"{each.feature} ({each.share:.0%})" for each in importance[:TOP])
    yield f"Most important features: {features}."
    weakest = ", ".join(
        f"{name_slice(each)} ({write_score(each.metrics[metric])})"
        for each in rank_slices(candidate)[:TOP]
    )
    yield f"Weakest slices by {name_metric(metric)}: {weakest or 'none'}."


def _tabulate_checks(checks: Iterable[Check]) -> str:
    rows = [
        [name_check(check), "passed" if check.passed else "FAILED", check.detail]
        for check in checks
    ]
    return tabulate(["Check", "Result", "What was found"], rows)


def _tabulate_metrics(candidate: Candidate) -> str:
    models = compare_models(candidate)
    rows = [
        [
            name_metric(name),
            *(write_score(each[name]) for each in models.values()),
            write_score(seen),
        ]
        for name, seen in candidate.evaluation.metrics["train"].items()
    ]
    return tabulate(["Metric", *models, "Candidate, on training rows"], rows)


def tabulate(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)


def plain(text: str) -> str:
    """Keep Markdown and HTML in names and levels from being read as such."""
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", escape(" ".join(text.split()), quote=False))


def write_score(value: float) -> str:
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:,.{digits}f}"


def write_amount(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write_share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def write_moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"


def write_value(column: ColumnSummary, value: float | None) -> str:
    """Write a value of a column; its dates are days."""
    time = read_time(column, value)
    return f"{time:%Y-%m-%d}" if time else write_amount(value)


def read_time(column: ColumnSummary, value: float | None) -> datetime | None:
    """Give the time that a value of a date column stands for, in seconds since 1970."""
    if value is None or not column.dtype.startswith("Date") or abs(value) >= _LATEST:
        return None
    return _EPOCH + timedelta(seconds=value)


def shorten(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
