"""What reports say about a candidate: its verdict, the next command, and what to weigh."""

import pytest
from candidates import main_of, page, with_champion, with_verdict

from tasks.core.model_sections import Approval
from tasks.reports.candidate import draw_report
from tasks.reports.candidate_text import compare_averages
from tasks.validation.candidate import Candidate, trace_lineage


def test_passed_candidate_comes_with_the_command_that_approves_it(binary: Candidate) -> None:
    candidate = with_verdict(binary, passed=True)
    command = f"perennial approve flights {candidate.plan.version} --as NAME --reason TEXT"
    assert command in draw_report(candidate)["report.md"]
    assert command in "".join(main_of(page(candidate)).itertext())


def test_refused_candidate_says_why_and_offers_no_approval(binary: Candidate) -> None:
    candidate = with_verdict(binary, passed=False)
    for text in draw_report(candidate).values():
        assert "1 of the 5 checks of its gate failed: Enough holdout rows" in text
        assert "perennial approve" not in text


def test_check_that_passes_with_something_taken_off_is_a_warning(binary: Candidate) -> None:
    candidate = with_verdict(binary, passed=True)
    first, *others = candidate.verdict.checks
    warned = first.model_copy(update={"warning": "it passes with a base rate taken off"})
    verdict = candidate.verdict.model_copy(update={"checks": (warned, *others)})
    for text in draw_report(candidate.model_copy(update={"verdict": verdict})).values():
        assert "It passes with a base rate taken off" in text


@pytest.mark.parametrize(("rounds", "told"), [(1, "1 round:"), (4, "4 rounds:"), (5, "")])
def test_training_that_ended_before_it_began_is_told(
    binary: Candidate, rounds: int, told: str
) -> None:
    trained = binary.trained.model_copy(update={"rounds": rounds, "curve": (0.5,) * 60})
    candidate = binary.model_copy(update={"trained": trained})
    said = f"arly stopping ended training after {told}"
    for text in draw_report(candidate).values():
        assert (said in text) == bool(told)
    warnings = trace_lineage(candidate)["warnings"]
    assert [said in each for each in warnings] == [True] * bool(told)


@pytest.mark.parametrize(("allowed", "told"), [(1000, True), (3000, False)])
def test_rounds_are_too_few_only_where_all_that_were_allowed_are_taken(
    binary: Candidate, allowed: int, told: bool
) -> None:
    trained = binary.trained.model_copy(update={"rounds": 1000, "allowed": allowed})
    candidate = binary.model_copy(update={"trained": trained})
    for text in draw_report(candidate).values():
        assert ("loss still fell in the last of 1,000 rounds" in text) == told


def test_few_rounds_that_were_asked_for_are_no_warning(binary: Candidate) -> None:
    trained = binary.trained.model_copy(update={"rounds": 3, "curve": ()})
    assert trace_lineage(binary.model_copy(update={"trained": trained}))["warnings"] == []


def test_model_that_approves_itself_asks_for_no_decision(binary: Candidate) -> None:
    candidate = with_verdict(binary, passed=True)
    automatic = candidate.plan.definition.model_copy(update={"approval": Approval(mode="auto")})
    plan = candidate.plan.model_copy(update={"definition": automatic})
    summary = draw_report(candidate.model_copy(update={"plan": plan}))["report.md"]
    assert "perennial approve" not in summary
    assert "perennial rollback flights" in summary


def test_what_to_weigh_names_drift_changed_columns_and_warnings(binary: Candidate) -> None:
    summary = draw_report(with_champion(binary, 123))["report.md"]
    assert "Moved since the champion's snapshot: temp (PSI 0.31)." in summary
    assert "Column seats was retyped" in summary
    assert "It rains." in summary


def test_averages_weigh_each_bin_by_its_rows(binary: Candidate) -> None:
    first = binary.evaluation.calibration[0]
    bins = [
        first.model_copy(update={"rows": rows, "predicted": predicted, "observed": 0.5})
        for rows, predicted in ((30, 0.1), (10, 0.5))
    ]
    evaluation = binary.evaluation.model_copy(update={"calibration": tuple(bins)})
    said = compare_averages(binary.model_copy(update={"evaluation": evaluation}))
    assert said == "It predicts 20.0% of the rows to be positive; 50.0% were."
