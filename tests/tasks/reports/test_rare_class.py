"""A rare class comes with precision and recall first; a common one as ever."""

from candidates import page

from tasks.evaluation.calibration import Bin
from tasks.reports.candidate_charts import draw_charts
from tasks.reports.candidate_text import list_warnings
from tasks.reports.rare_class import is_rare, order_metrics, share_of_positives
from tasks.validation.candidate import Candidate


def with_share(candidate: Candidate, share: float) -> Candidate:
    bins = (Bin(rows=1000, predicted=share, observed=share),)
    evaluation = candidate.evaluation.model_copy(update={"calibration": bins, "misses": ()})
    return candidate.model_copy(update={"evaluation": evaluation})


def test_rare_class_is_read_by_precision_and_recall_first(binary: Candidate) -> None:
    rare = with_share(binary, 0.001)
    assert is_rare(rare)
    assert order_metrics(rare)[:2] == ["average_precision", "precision"]
    assert order_metrics(rare)[-1] == "accuracy"
    assert set(order_metrics(rare)) == set(order_metrics(binary))
    assert [each.title for each in draw_charts(rare)][:2] == ["Precision and recall", "ROC curve"]
    (told,) = [each for each in list_warnings(rare) if each.startswith("Only 0.001 of the rows")]
    assert "always saying no is right in 99.900%" in told
    assert page(rare).index("Average precision ↑") < page(rare).index("Accuracy ↑")


def test_rare_class_of_which_none_is_found_comes_with_what_to_do(binary: Candidate) -> None:
    rare = with_share(binary, 0.001)
    none = {**rare.evaluation.metrics["holdout"], "recall": 0.0}
    metrics = {**rare.evaluation.metrics, "holdout": none}
    evaluation = rare.evaluation.model_copy(update={"metrics": metrics})
    told = list(list_warnings(rare.model_copy(update={"evaluation": evaluation})))
    assert any("no positive is found: a lower [serving] threshold" in each for each in told)


def test_common_class_is_as_ever(binary: Candidate) -> None:
    common = with_share(binary, 0.2)
    assert not is_rare(common)
    assert order_metrics(common)[0] == "auc"
    assert share_of_positives(common) == 0.2
