"""The page of a candidate: whole, harmless, and the same for the same candidate."""

import re
from pathlib import Path

from candidates import STEERING, main_of, page, take_steps, with_champion, with_hostile_names
from tables import Project, define
from uncertain import SECTIONS, UNCERTAIN

from tasks.reports.candidate import draw_report
from tasks.reports.display_names import CHECKS
from tasks.validation.candidate import Candidate


def test_page_refers_to_nothing_outside_itself(report: dict[str, str]) -> None:
    addresses = set(re.findall(r"https?://[^\"' <)]*", report["report.html"]))
    assert {each.split("/")[2] for each in addresses} <= {"www.w3.org"}
    loading = r"<(script|link|img|iframe|object)\b|\bsrc=|@import|url\("
    assert not re.search(loading, report["report.html"])


def test_same_candidate_gives_the_same_bytes(candidate: Candidate, report: dict[str, str]) -> None:
    assert draw_report(candidate) == report


def test_every_chart_has_a_label_and_every_heading_cell_a_scope(report: dict[str, str]) -> None:
    body = main_of(report["report.html"])
    svgs = list(body.iter("{http://www.w3.org/2000/svg}svg"))
    assert svgs
    assert all(each.get("role") == "img" and each.get("aria-label") for each in svgs)
    assert {each.get("scope") for each in body.iter("th")} == {"col", "row"}


def test_every_check_is_on_both_pages(candidate: Candidate, report: dict[str, str]) -> None:
    for check in candidate.verdict.checks:
        assert all(CHECKS[check.name] in text for text in report.values())
        assert check.detail in report["report.html"]


def test_names_and_levels_are_escaped(binary: Candidate) -> None:
    report = draw_report(with_hostile_names(binary))
    assert "<script" not in report["report.html"]
    assert "<script" not in report["report.md"]
    texts = [each or "" for each in main_of(report["report.html"]).itertext()]
    assert sum("<script>" in each for each in texts) > 10
    assert not re.search(r"(?<!\\)\|\*", report["report.md"])
    for text in report.values():
        assert not set(STEERING) & set(text)
        assert text.count(r"\x1b[31m") + text.count(r"\x1b\[31m") > 5


def test_champion_stands_beside_the_candidate_and_the_best_is_marked(binary: Candidate) -> None:
    rows = binary.evaluation.rows
    body = main_of(page(with_champion(binary, rows)))
    heads = [each.text for each in body.iterfind(".//section[@id='metrics']//thead//th")]
    assert heads[1:5] == ["Candidate", "Champion", "Simple model", "Baseline"]
    auc = body.findall(".//section[@id='metrics']//tbody/tr[1]/td")
    assert [each.find("b") is not None for each in auc] == [False, True, False, False, False]


def test_champion_that_saw_part_of_the_holdout_is_compared_on_the_rest(binary: Candidate) -> None:
    body = main_of(page(with_champion(binary, 123)))
    whole, rest = body.findall(".//section[@id='metrics']//thead")
    assert "Champion" not in [each.text for each in whole.iter("th")]
    assert [each.text for each in rest.iter("th")][1:] == ["Candidate", "Champion"]


def test_gain_below_zero_is_worse(binary: Candidate) -> None:
    (gain,) = [each for each in binary.verdict.checks if each.name == "beats_baseline"]
    lost = gain.model_copy(update={"numbers": {"value": -0.2424, "low": -0.3, "high": -0.1}})
    verdict = binary.verdict.model_copy(update={"checks": (lost,)})
    html = page(binary.model_copy(update={"verdict": verdict}))
    label = "Better than the baseline: worse by 0.2424 (interval -0.3000 to -0.1000); the limit is"
    assert f'aria-label="{label}' in html


def test_coverage_and_width_of_intervals_are_shown_on_the_whole_and_by_slice(
    made: Project, tmp_path: Path
) -> None:
    made.write(UNCERTAIN)
    (made.folder / "made.toml").write_text(define(**SECTIONS))
    candidate = take_steps(made.folder / "made.toml", None, tmp_path)
    whole, *slices = candidate.evaluation.coverage
    report = draw_report(candidate)
    for text in report.values():
        assert f"{whole.held:.1%} of {whole.rows:,} rows lie in their interval" in text
        assert "Intervals hold enough rows of each slice" in text
    assert [each.level for each in slices] == ["narrow", "wide"]
    assert "In their interval" in report["report.html"]
    assert all(f"{each.held:.1%} (" in report["report.html"] for each in slices)
