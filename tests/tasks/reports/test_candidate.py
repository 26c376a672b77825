import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flows.retrain import plan_retrain
from tasks.analysis.profile_drift import ColumnDrift
from tasks.analysis.task import analyse
from tasks.core.checks import Check
from tasks.core.definition import Approval
from tasks.evaluation.task import evaluate
from tasks.extraction.task import extract
from tasks.preparation.task import prepare
from tasks.reports import charts
from tasks.reports.candidate import draw_report
from tasks.reports.candidate_text import CHECKS, _say_period
from tasks.reports.charts import draw_precision_recall
from tasks.training.task import train
from tasks.validation.candidate import Candidate, TimedStep, timed, trace_lineage
from tasks.validation.champion_comparison import ChampionScores
from tasks.validation.task import validate

CHARTS = {
    "binary": {"ROC curve", "Precision and recall"},
    "multiclass": set(),
    "regression": {"Residuals"},
}
HOSTILE = "</text><script>alert('1')</script>|*a*"
DEFINITION = """
name = "flights"
description = "What becomes of this flight?"
sources.flights = "data/nycflights13/flights-*.parquet"
extract.time = "time_hour"
target = { value = "VALUE", kind = "KIND" }
features = { carrier = "carrier", dest = "dest", distance = "distance", hour = "hour" }
training = { threads = 2, rounds = 20 }
gate.slice_rows = 20
"""
TARGETS = {
    "binary": "arr_delay > 15",
    "multiclass": "origin",
    "regression": "arr_delay",
}


@pytest.fixture(scope="session")
def binary(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return run_steps(few_flights, "binary", tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="session", params=TARGETS)
def candidate(
    request: pytest.FixtureRequest, few_flights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Candidate:
    """Make a real candidate on few flights, for each kind of target."""
    if request.param == "binary":
        binary: Candidate = request.getfixturevalue("binary")
        return binary
    return run_steps(few_flights, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def report(candidate: Candidate) -> dict[str, str]:
    return draw_report(candidate)


def run_steps(project: Path, kind: str, folder: Path) -> Candidate:
    own = shutil.copytree(project, folder / "project")
    definition = own / "deployments" / f"report_{kind}.toml"
    definition.write_text(DEFINITION.replace("VALUE", TARGETS[kind]).replace("KIND", kind))
    steps: list[TimedStep] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        plan = plan_retrain(str(definition), datetime(2013, 8, 1, tzinfo=UTC))
        with timed("extraction", steps):
            snapshot = extract.fn(plan, folder)
        prepared = prepare.fn(plan, snapshot, folder)
        trained = train.fn(plan, prepared, folder)
        evaluation, scored = evaluate.fn(plan, snapshot, prepared, trained, folder)
        return Candidate(
            plan=plan,
            snapshot=snapshot,
            analysis=analyse.fn(plan, snapshot, folder),
            prepared=prepared,
            trained=trained,
            evaluation=evaluation,
            verdict=validate.fn(plan, snapshot, prepared, scored),
            refitted=trained.twin,
            steps=tuple(steps),
            run_id="",
        )


def page(candidate: Candidate) -> str:
    return draw_report(candidate)["report.html"]


def main_of(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html[html.index("<main>") : html.index("</body>")])


def with_champion(candidate: Candidate, rows: int) -> Candidate:
    """Give a candidate a champion that is a little better, and drift since its snapshot."""
    ours = candidate.evaluation.metrics["holdout"]
    better = {**ours, "auc": ours["auc"] + 0.01}
    champion = ChampionScores(
        version="20130701T000000Z-champion",
        model="released",
        rows=rows,
        metrics=better,
        candidate=ours,
    )
    drift = (
        ColumnDrift(column="time_hour", kind="number", change="none", psi=9.0, hellinger=0.9),
        ColumnDrift(column="temp", kind="number", change="none", psi=0.31, hellinger=0.2),
        ColumnDrift(column="seats", kind="number", change="retyped", current_dtype="String"),
    )
    analysis = candidate.analysis.model_copy(
        update={"drift": drift, "reference": champion.version, "warnings": ("it rains",)}
    )
    verdict = candidate.verdict.model_copy(update={"champion": champion})
    return candidate.model_copy(update={"verdict": verdict, "analysis": analysis})


def with_verdict(candidate: Candidate, passed: bool) -> Candidate:
    first, *others = candidate.verdict.checks
    settled = [check.model_copy(update={"passed": True}) for check in others]
    checks = (first.model_copy(update={"passed": passed}), *settled)
    verdict = candidate.verdict.model_copy(update={"passed": passed, "checks": checks})
    return candidate.model_copy(update={"verdict": verdict})


def with_hostile_names(candidate: Candidate) -> Candidate:
    evaluation, analysis, plan = candidate.evaluation, candidate.analysis, candidate.plan
    slices = [each.model_copy(update={"level": HOSTILE}) for each in evaluation.slices]
    features = [each.model_copy(update={"feature": HOSTILE}) for each in evaluation.importance]
    checks = [
        each.model_copy(update={"name": HOSTILE, "detail": HOSTILE, "numbers": {HOSTILE: HOSTILE}})
        for each in candidate.verdict.checks
    ]
    columns = {HOSTILE: next(iter(analysis.columns.values()))}
    drift = (ColumnDrift(column=HOSTILE, kind="number", change="retyped", psi=1.0, hellinger=0.5),)
    changed = {
        "plan": {"definition": plan.definition.model_copy(update={"description": HOSTILE})},
        "evaluation": {"slices": tuple(slices), "importance": tuple(features)},
        "verdict": {"checks": tuple(checks), "passed": False},
        "analysis": {"columns": columns, "warnings": (HOSTILE,), "drift": drift, "reference": "x"},
    }
    return candidate.model_copy(
        update={
            name: getattr(candidate, name).model_copy(update=update)
            for name, update in changed.items()
        }
    )


def test_page_refers_to_nothing_outside_itself(report: dict[str, str]) -> None:
    addresses = set(re.findall(r"https?://[^\"' <)]*", report["report.html"]))
    assert {each.split("/")[2] for each in addresses} <= {"www.w3.org"}
    loading = r"<(script|link|img|iframe|object)\b|\bsrc=|@import|url\("
    assert not re.search(loading, report["report.html"])


def test_same_candidate_gives_the_same_bytes(candidate: Candidate, report: dict[str, str]) -> None:
    assert draw_report(candidate) == report


def test_charts_fit_the_target(candidate: Candidate, report: dict[str, str]) -> None:
    drawn = {each.text for each in main_of(report["report.html"]).iterfind(".//figcaption/b")}
    always = {"Calibration", "Learning curve", "Feature importance", "Slices"}
    assert drawn == always | CHARTS[candidate.plan.definition.target.kind]


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
    data = main_of(page(binary.model_copy(update={"analysis": analysis})))
    shown = data.findall(".//section[@id='data']/div/table[@class='checks']/tbody/tr/th")
    folded = data.findall(".//section[@id='data']/details//tbody/tr/th")
    assert [each.text for each in shown] == ["nulls of 'b'", "column 'c'"]
    assert [each.text for each in folded] == ["nulls of 'a'", "type of 'd'"]
    summary = data.findtext(".//section[@id='data']/details/summary")
    assert summary == "All 2 other checks of the data contract passed"
    for few, said in ((checks[:1], "All 1 checks of the data contract passed"), ((), None)):
        analysis = binary.analysis.model_copy(update={"checks": few})
        data = main_of(page(binary.model_copy(update={"analysis": analysis})))
        assert data.findtext(".//section[@id='data']/details/summary") == said
    analysis = binary.analysis.model_copy(update={"checks": checks[2:3]})
    assert "checks of the data contract passed" not in page(
        binary.model_copy(update={"analysis": analysis})
    )


def test_names_and_levels_are_escaped(binary: Candidate) -> None:
    report = draw_report(with_hostile_names(binary))
    assert "<script" not in report["report.html"]
    assert "<script" not in report["report.md"]
    texts = [each or "" for each in main_of(report["report.html"]).itertext()]
    assert sum("<script>" in each for each in texts) > 10
    assert not re.search(r"(?<!\\)\|\*", report["report.md"])


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


def test_what_to_weigh_names_drift_changed_columns_and_warnings(binary: Candidate) -> None:
    summary = draw_report(with_champion(binary, 123))["report.md"]
    assert "Moved since the champion's snapshot: temp (PSI 0.31)." in summary
    assert "Column seats was retyped" in summary
    assert "It rains." in summary


def test_rows_split_by_a_hash_have_no_periods(binary: Candidate) -> None:
    nowhere = dict.fromkeys(("stop", "gap", "holdout", "matured"))
    split = binary.prepared.split.model_copy(update=nowhere)
    prepared = binary.prepared.model_copy(update={"split": split})
    assert "Period (UTC)" in page(binary)
    assert "Period (UTC)" not in page(binary.model_copy(update={"prepared": prepared}))
    assert _say_period(binary.model_copy(update={"prepared": prepared})) == ""
    assert _say_period(binary).startswith(" from ")


def test_points_that_share_a_place_stay_inside_the_plot() -> None:
    curve = {"recall": [0.1, 0.9, 1.0, 1.0, 1.0], "precision": [1.0, 0.8, 0.6, 0.5, 0.4]}
    svg = draw_precision_recall(curve, "curve")
    paths = re.findall(r'<path aria-label[^>]*d="([^"]*)"|<path d="(M[^"Z]*)"', svg)
    heights = [float(y) for path in paths for y in re.findall(r",(-?[\d.]+)", "".join(path))]
    assert min(heights) >= 0


def test_large_numbers_on_an_axis_take_little_room() -> None:
    assert charts._numbers([1.0, 60_000.0]).to_dict()["format"] == "~s"
    assert "format" not in charts._numbers([1.0]).to_dict()
