"""What a candidate's report says of its quantiles: the share of rows below each, and its loss."""

from collections.abc import Iterator

from tasks.core.units import with_unit
from tasks.evaluation.quantile_shares import QuantileShare
from tasks.evaluation.slice_metrics import Slice
from tasks.reports.formatting import format_score
from tasks.validation.candidate import Candidate

HEADS = ["Quantile", "Rows below it", "Interval", "Pinball loss"]


def list_quantiles(candidate: Candidate) -> Iterator[list[str]]:
    """Give each quantile of all rows: the share below it, how sure that is, and its loss."""
    for each in _pick(candidate, "", ""):
        low, high = _reach(each)
        yield [
            f"{each.quantile:g}",
            f"{each.share:.1%}",
            f"{low} to {high}",
            format_score(each.loss),
        ]


def tell_quantiles(candidate: Candidate) -> Iterator[str]:
    """Say how many rows lie below each quantile."""
    for each in _pick(candidate, "", ""):
        yield f"{with_unit(each.detail, candidate.plan.definition.target.unit)}."


def name_shares(candidate: Candidate) -> list[str]:
    """Name the columns of a slice's shares."""
    pinball = candidate.plan.definition.pinball
    return [f"Below {level:g}" for level in pinball.levels] if pinball else []


def share_slice(candidate: Candidate, row: Slice) -> list[str]:
    """Give a slice's shares with their intervals; nothing without quantiles."""
    return [
        f"{each.share:.1%} ({' to '.join(_reach(each))})"
        for each in _pick(candidate, row.slice, row.level)
    ] or ["–" for _ in name_shares(candidate)]


def _pick(candidate: Candidate, name: str, level: str) -> list[QuantileShare]:
    found = candidate.evaluation.quantiles
    return [each for each in found if (each.slice, each.level) == (name, level)]


def _reach(each: QuantileShare) -> tuple[str, str]:
    low, high = each.quantile + each.gain.low, each.quantile + each.gain.high
    return f"{max(low, 0):.1%}", f"{min(high, 1):.1%}"
