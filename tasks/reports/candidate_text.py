"""What a report says about a candidate: the verdict, the next steps, warnings and notes.

It decides nothing (the gate did) and measures nothing (the evaluation did).
"""

from collections.abc import Iterator

from tasks.analysis.profile_drift import ColumnDrift
from tasks.core.checks import failed
from tasks.core.model_sections import Metric
from tasks.core.units import unit_of, with_unit
from tasks.core.wording import list_few
from tasks.evaluation.rolling_origin import describe_folds
from tasks.evaluation.slice_metrics import Slice, order_slices
from tasks.evaluation.stopping_metric import tell_disagreement
from tasks.reports.candidate_calibration import tell_calibration
from tasks.reports.candidate_quantiles import tell_quantiles
from tasks.reports.display_names import METRICS, name_check, name_slice
from tasks.reports.formatting import format_number, format_score
from tasks.reports.rare_class import is_rare, share_of_positives, tell_of_rare
from tasks.training.early_stopping import warn_of_rounds
from tasks.validation.candidate import Candidate
from tasks.validation.tuning_gain import describe_tuning

MOVED, MOVED_FAR = 0.1, 0.25  # the field's rules of thumb for the PSI
TOP = 3  # how many of a ranking a sentence names


def explain_verdict(candidate: Candidate) -> str:
    """Say in a sentence or two why the candidate passed or was refused."""
    bad, count = failed(candidate.verdict.checks), len(candidate.verdict.checks)
    if bad:
        named = "; ".join(f"{name_check(check)} ({check.detail})" for check in bad)
        return f"{len(bad)} of the {count} checks of its gate failed: {named}."
    rival = "and there is no champion yet"
    if candidate.verdict.champion:
        margin = candidate.plan.definition.gate.margin
        rival = f"and not worse than the champion by more than the margin of {margin * 100:g}%"
    rows = f"{candidate.evaluation.rows:,} rows{_holdout_period(candidate)}"
    return (
        f"On {rows} that it was never trained on, it is better "
        f"than the baseline and than a simple model, {rival}. All {count} checks passed."
    )


def _holdout_period(candidate: Candidate) -> str:
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
        ("To reject it, run", f"perennial reject {name} {candidate.plan.version} {signed}"),
    ]


def list_warnings(candidate: Candidate) -> Iterator[str]:
    """Name what speaks against a candidate, though no check refuses it: the heaviest first.

    What a contract's check found that did not hold is among them; the gate's stand in its verdict.
    """
    yield from (_as_sentence(each.said) for each in candidate.verdict.shortfalls)
    yield from (_as_sentence(each.warning) for each in candidate.verdict.checks if each.warning)
    broken = failed(candidate.analysis.checks)
    yield from (_as_sentence(f"{name_check(each)}: {each.detail}") for each in broken)
    if is_rare(candidate):
        yield tell_of_rare(candidate)
    yield from _warn_of_drift(candidate)
    yield from _warn_of_rows_and_rounds(candidate)
    yield from map(_as_sentence, candidate.analysis.warnings)


def list_notes(candidate: Candidate) -> Iterator[str]:
    """Name what an approver should know besides: how it did here and there, and what was mended."""
    yield from _note_scores(candidate)
    definition = candidate.plan.definition
    if weight := definition.training.weight:
        yield f"Metrics are weighted: a row counts {weight} ([training] weight)."
    if candidate.trials:
        yield _as_sentence(describe_tuning(definition.metric, candidate.tuning_gain))
    folds = candidate.evaluation.folds, candidate.evaluation.recalibrated
    yield from map(_as_sentence, describe_folds(definition.metric, *folds))


def _note_scores(candidate: Candidate) -> Iterator[str]:
    evaluation, metric = candidate.evaluation, candidate.plan.definition.metric
    named = unit_of(metric, candidate.plan.definition.target.unit)
    name, champion = METRICS[metric][0] + named, candidate.verdict.champion
    train, whole = (format_score(evaluation.metrics[on][metric]) for on in ("train", "holdout"))
    yield f"{name} is {train} on the rows it was trained on and {whole} on the holdout."
    yield compare_averages(candidate)
    yield from tell_calibration(candidate)
    unit = candidate.plan.definition.target.unit
    covered = [each.detail for each in evaluation.coverage if not each.slice]
    yield from (_as_sentence(with_unit(detail, unit)) for detail in covered)
    yield from tell_quantiles(candidate)
    if champion and champion.rows != evaluation.rows:
        ours, theirs = (format_score(on[metric]) for on in (champion.candidate, champion.metrics))
        yield f"On the {champion.rows:,} rows that the champion never saw: {ours} against {theirs}."
    for each in rank_slices(candidate)[:1]:
        value = format_score(each.metrics[metric])
        yield f"It is weakest where {name_slice(each)}: {name} {value} on {each.rows:,} rows."


def _warn_of_drift(candidate: Candidate) -> Iterator[str]:
    moved = [each for each in rank_drift(candidate) if (each.psi or 0) > MOVED]
    if moved:
        named = list_few([f"{each.column} (PSI {each.psi:.2f})" for each in moved], TOP)
        yield f"Moved since the champion's snapshot: {named}."
    for drift in changed_columns(candidate):
        yield f"Column {drift.column} was {drift.change} since the champion's snapshot."


def _warn_of_rows_and_rounds(candidate: Candidate) -> Iterator[str]:
    training, trained = candidate.plan.definition.training, candidate.trained
    if unlabelled := candidate.prepared.unlabelled:
        yield f"{unlabelled:,} matured rows have no label and were left out."
    if training.early_stopping and trained.rounds == trained.allowed:
        yield f"The loss still fell in the last of {trained.allowed:,} rounds: allow more of them."
    found, loss = candidate.evaluation.disagreement, candidate.plan.definition.loss
    yield from map(_as_sentence, tell_disagreement(found, loss))
    yield from map(
        _as_sentence,
        warn_of_rounds(candidate.plan.definition, trained.rounds, trained.curve),
    )


def _as_sentence(warning: str) -> str:
    return f"{warning[:1].upper()}{warning[1:]}."


def compare_averages(candidate: Candidate) -> str:
    """Say what was predicted on average, and what came true."""
    bins, kind = candidate.evaluation.calibration, candidate.plan.definition.target.kind
    rows, observed = sum(each.counts for each in bins), share_of_positives(candidate)
    predicted = sum(each.counts * each.predicted for each in bins) / rows
    if candidate.plan.definition.pinball:
        off = candidate.evaluation.calibration_error
        return f"The shares of rows below its quantiles are off by {off:.1%} on average."
    if kind == "regression":
        said = with_unit(format_number(predicted), candidate.plan.definition.target.unit)
        true = format_number(observed)
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
    slices = candidate.evaluation.slices
    return [slices[place] for place in order_slices(candidate.plan.definition.metric, slices)]


def rank_drift(candidate: Candidate) -> list[ColumnDrift]:
    """Order columns by how far they moved. The event time is left out: it always moves."""
    time = candidate.plan.definition.extract.time
    known = [each for each in candidate.analysis.drift if each.psi is not None]
    return sorted(
        (each for each in known if each.column != time), key=lambda each: -(each.psi or 0)
    )


def changed_columns(candidate: Candidate) -> list[ColumnDrift]:
    return [each for each in candidate.analysis.drift if each.change != "none"]
