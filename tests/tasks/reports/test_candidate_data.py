"""The data behind a candidate, as its page shows it."""

from xml.etree import ElementTree

from candidates import with_champion

from tasks.core.checks import Check
from tasks.reports.candidate_data import describe_data
from tasks.reports.candidate_text import _holdout_period
from tasks.reports.templates import render
from tasks.validation.candidate import Candidate


def page(candidate: Candidate) -> str:
    """Render the section of the page alone, which takes no time for other charts."""
    section = render("candidate_data.html.jinja", **describe_data(candidate))
    return f'<main><section id="data">{section}</section></main>'


def test_contract_shows_what_failed_or_found_something_and_folds_the_rest(
    binary: Candidate,
) -> None:
    checks = (
        Check(name="nulls of 'a'", passed=True, detail="", numbers={"count": 0, "allowed": 0.1}),
        Check(name="nulls of 'b'", passed=True, detail="", numbers={"count": 3, "allowed": 0.1}),
        Check(name="column 'c'", passed=False, detail=""),
        Check(name="type of 'd'", passed=True, detail=""),
    )
    analysis = binary.analysis.model_copy(update={"checks": checks})
    data = ElementTree.fromstring(page(binary.model_copy(update={"analysis": analysis})))
    shown = data.findall(".//section[@id='data']/div/table[@class='checks']/tbody/tr/th")
    folded = data.findall(".//section[@id='data']/details//tbody/tr/th")
    assert [each.text for each in shown] == ["nulls of 'b'", "column 'c'"]
    assert [each.text for each in folded] == ["nulls of 'a'", "type of 'd'"]
    summary = data.findtext(".//section[@id='data']/details/summary")
    assert summary == "All 2 other checks of the data contract passed"
    for few, said in ((checks[:1], "All 1 checks of the data contract passed"), ((), None)):
        analysis = binary.analysis.model_copy(update={"checks": few})
        data = ElementTree.fromstring(page(binary.model_copy(update={"analysis": analysis})))
        assert data.findtext(".//section[@id='data']/details/summary") == said
    analysis = binary.analysis.model_copy(update={"checks": checks[2:3]})
    assert "checks of the data contract passed" not in page(
        binary.model_copy(update={"analysis": analysis})
    )


def test_rows_split_by_a_hash_have_no_periods(binary: Candidate) -> None:
    nowhere = dict.fromkeys(("stop", "gap", "holdout", "matured"))
    split = binary.prepared.split.model_copy(update=nowhere)
    prepared = binary.prepared.model_copy(update={"split": split})
    assert "Period (UTC)" in page(binary)
    assert "Period (UTC)" not in page(binary.model_copy(update={"prepared": prepared}))
    assert _holdout_period(binary.model_copy(update={"prepared": prepared})) == ""
    assert _holdout_period(binary).startswith(" from ")


def test_drift_is_described_with_its_chart_and_the_columns_that_changed(binary: Candidate) -> None:
    assert describe_data(binary)["drift"] is None
    drift = describe_data(with_champion(binary, 123))["drift"]
    assert isinstance(drift, dict)
    assert drift["changes"] == [["seats", "retyped", "–", "String"]]
    assert drift["shifts"] == [["temp", "0.200", "–", "–", "–"]]
    assert "20130701T000000Z-champion" in drift["chart"].caption
