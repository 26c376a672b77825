"""The table of slices: the gate's metric with its interval, and the target's unit in the heads."""

import re

from candidates import page

from tasks.reports.candidate import draw_report
from tasks.reports.candidate_slices import describe_slices
from tasks.validation.candidate import Candidate, trace_lineage


def test_the_gates_metric_has_its_interval_where_that_is_known(binary: Candidate) -> None:
    told = describe_slices(binary)
    known = sum(each.interval is not None for each in binary.evaluation.slices)
    assert 0 < known == sum(" to " in row[2] for row in told["slices"])
    assert told["slice_heads"][:3] == ["Slice", "Rows", "AUC ↑"]


def test_whole_has_its_interval_below_the_verdict(candidate: Candidate) -> None:
    sure = candidate.evaluation.interval
    assert sure is not None
    assert sure.low < sure.value < sure.high
    assert "The candidate&#39;s 95% interval: " in page(candidate)
    older = candidate.evaluation.model_copy(update={"interval": None})
    assert "95% interval: " not in page(candidate.model_copy(update={"evaluation": older}))


def test_a_targets_unit_is_wherever_errors_are(regression: Candidate) -> None:
    plan = regression.plan
    target = plan.definition.target.model_copy(update={"unit": "minutes"})
    definition = plan.definition.model_copy(update={"target": target})
    named = regression.model_copy(
        update={"plan": plan.model_copy(update={"definition": definition})}
    )
    told, plain = draw_report(named), draw_report(regression)
    assert "minutes" not in plain["report.html"] + plain["report.md"]
    for text in told.values():
        assert "RMSE ↓ (minutes)" in text
        assert "MAE ↓ (minutes)" in text
        assert "R² ↑ (minutes)" not in text
        assert re.search(r"It predicts -?[\d.]+ minutes on average", text)
    for title in ("Predicted (minutes)", "Observed − predicted (minutes)"):
        assert f">{title}<" in told["report.html"]
    assert trace_lineage(named)["unit"] == "minutes"
    assert "unit" not in trace_lineage(regression)
