"""Which charts a candidate's page has."""

from candidates import main_of

from tasks.evaluation.evaluate import Evaluation
from tasks.reports.candidate_charts import draw_charts
from tasks.reports.templates import Figure
from tasks.training.optuna_search import Trial
from tasks.validation.candidate import Candidate

CHARTS = {
    "binary": {"ROC curve", "Precision and recall"},
    "multiclass": set(),
    "regression": {"Residuals"},
}


def test_charts_fit_the_target(candidate: Candidate, report: dict[str, str]) -> None:
    drawn = {each.text for each in main_of(report["report.html"]).iterfind(".//figcaption/b")}
    always = {"Calibration", "Learning curve", "Feature importance", "Slices"}
    assert drawn == always | CHARTS[candidate.plan.definition.target.kind]


def test_importance_beyond_the_first_columns_is_one_bar(binary: Candidate) -> None:
    (first, *_) = binary.evaluation.importance
    many = tuple(first.model_copy(update={"feature": f"f{i}", "share": 0.05}) for i in range(17))
    evaluation = binary.evaluation.model_copy(update={"importance": many})
    drawn = {
        each.title: each.svg
        for each in draw_charts(binary.model_copy(update={"evaluation": evaluation}))
    }
    assert ">3 others<" in drawn["Feature importance"]
    assert ">15.0%<" in drawn["Feature importance"]


def test_search_is_drawn_with_the_trial_that_was_taken(binary: Candidate) -> None:
    trials = tuple(
        Trial(params={"num_leaves": 7 + i}, losses=(loss,))
        for i, loss in enumerate((0.5, 0.4, 0.6))
    )
    drawn = {each.title: each for each in draw_charts(binary.model_copy(update={"trials": trials}))}
    assert "0.50000 as defined, 0.40000 by trial 2" in drawn["Tuning"].caption


def test_rounds_of_a_target_that_moved_are_said_to_be_judged_otherwise(binary: Candidate) -> None:
    moved = binary.trained.model_copy(update={"moved": True})
    for trained, said in ((binary.trained, False), (moved, True)):
        found = draw_charts(binary.model_copy(update={"trained": trained}))
        (drawn,) = (each for each in found if each.title == "Learning curve")
        assert ("judged by what a line of the predictions leaves" in drawn.caption) == said


def test_bins_of_calibration_come_with_their_intervals(candidate: Candidate) -> None:
    def draw(evaluation: Evaluation) -> Figure:
        made = candidate.model_copy(update={"evaluation": evaluation})
        return next(each for each in draw_charts(made) if each.title == "Calibration")

    told = [each for each in candidate.evaluation.misses if each is not None]
    assert told
    drawn = draw(candidate.evaluation)
    assert "each with its 95% interval" in drawn.caption
    older = draw(candidate.evaluation.model_copy(update={"misses": ()}))
    assert drawn.svg != older.svg
