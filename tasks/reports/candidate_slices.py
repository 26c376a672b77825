"""What a candidate's report says of each slice, as a table: metrics, intervals and quantiles."""

from typing import Any

from tasks.core.model_sections import Metric
from tasks.evaluation.slice_metrics import Slice
from tasks.reports.candidate_quantiles import name_shares, share_slice
from tasks.reports.candidate_text import rank_slices
from tasks.reports.display_names import name_metric, name_slice
from tasks.reports.formatting import format_number, format_score
from tasks.reports.rare_class import order_metrics
from tasks.validation.candidate import Candidate


def describe_slices(candidate: Candidate) -> dict[str, Any]:
    """Give what each slice is worth, and how far its intervals and quantiles hold."""
    measured = order_metrics(candidate)
    unit = candidate.plan.definition.target.unit
    beside = [*_name_coverage(candidate), *name_shares(candidate)]
    return {
        "slice_heads": ["Slice", "Rows", *(name_metric(each, unit) for each in measured), *beside],
        "slices": [
            [
                name_slice(each),
                f"{each.rows:,}",
                *(_score(each, name, candidate) for name in measured),
                *_cover_slice(candidate, each),
                *share_slice(candidate, each),
            ]
            for each in rank_slices(candidate)
        ],
    }


def _name_coverage(candidate: Candidate) -> list[str]:
    unit = candidate.plan.definition.target.unit
    width = f"Mean width ({unit})" if unit else "Mean width"
    return ["In their interval", width] if candidate.evaluation.coverage else []


def _cover_slice(candidate: Candidate, row: Slice) -> list[str]:
    """Give a slice's coverage with its interval, and the mean width; nothing without intervals."""
    return [
        said
        for each in candidate.evaluation.coverage
        if (each.slice, each.level) == (row.slice, row.level)
        for said in (
            f"{each.held:.1%} ({each.asked + each.gain.low:.1%} to "
            f"{each.asked + each.gain.high:.1%})",
            format_number(each.width),
        )
    ]


def _score(row: Slice, name: Metric, candidate: Candidate) -> str:
    """Give a slice's metric; of the gate's the interval, where it has one."""
    said, sure = format_score(row.metrics[name]), row.interval
    if sure is None or name != candidate.plan.definition.metric:
        return said
    return f"{said} ({format_score(sure.low)} to {format_score(sure.high)})"
