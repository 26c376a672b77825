"""What changed since the champion, on the page on which a person decides."""

from pathlib import Path

import pytest
from candidates import STEERING, main_of
from compared import DEFINITION, EARLY, HOSTILE, Versions, crown

from tasks.comparison.candidate_changes import compare_candidate
from tasks.comparison.decisions import SliceChange
from tasks.comparison.recorded_changes import Change, CodeChange
from tasks.evaluation.evaluate import Scored
from tasks.reports.candidate import draw_report
from tasks.reports.candidate_changes import describe_changes, tell_changes

NUMBERS = ('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"')
OTHER = DEFINITION.replace('c = "c"', 'c = "c"\nx_k = "x * k"').replace(
    "num_leaves = 7", "num_leaves = 15"
)


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return Versions(tmp_path)


def test_flips_and_changes_are_on_both_pages(versions: Versions) -> None:
    older = versions.make(as_of=EARLY)
    crown(older)
    candidate = versions.candidate(OTHER)
    path = candidate.prepared.path.with_name("scored.arrow")
    changes = compare_candidate(candidate, Scored(path=path))
    assert changes
    assert changes.moves
    decisions = changes.moves.decisions
    assert decisions
    report = draw_report(candidate, changes)
    for text in report.values():
        assert f"{decisions.flipped:,} decisions flip" in text
    assert "Changed since the champion: training.params.num\\_leaves" in report["report.md"]
    (section,) = main_of(report["report.html"]).iterfind(".//section[@id='changes']")
    said = " ".join(section.itertext())
    for text in (older.version, "feature x_k", "x * k", "no → yes", "c = north"):
        assert text in said
    assert "no champion yet" in draw_report(candidate)["report.html"]

    wild = {
        "definition": (Change(name=HOSTILE, before=HOSTILE, after=[HOSTILE]),),
        "code": (CodeChange(module=HOSTILE, lines=(HOSTILE,)),),
    }
    moves = {"slices": (SliceChange(slice=HOSTILE, level=HOSTILE, rows=7, flipped=1, share=0.1),)}
    hostile = changes.model_copy(
        update={
            "changes": changes.changes.model_copy(update=wild),
            "moves": changes.moves.model_copy(update=moves),
            "reason": HOSTILE,
        }
    )
    report = draw_report(candidate, hostile)
    for text in report.values():
        assert "<script" not in text
        assert not set(STEERING) & set(text)
    (section,) = main_of(report["report.html"]).iterfind(".//section[@id='changes']")
    assert sum("<script>" in each for each in section.itertext()) >= 6


def test_values_of_a_regression_move_beside_its_error(versions: Versions) -> None:
    crown(versions.make(DEFINITION.replace(*NUMBERS), EARLY))
    candidate = versions.candidate(OTHER.replace(*NUMBERS))
    path = candidate.prepared.path.with_name("scored.arrow")
    changes = compare_candidate(candidate, Scored(path=path))
    assert changes
    assert changes.moves
    moved = changes.moves.differences
    assert moved
    (_, said) = tell_changes(changes)
    assert f"On the {moved.rows:,} rows that the champion never saw, values move by" in said
    assert "Mean size of a move" in draw_report(candidate, changes)["report.html"]


def test_nothing_changed_and_no_comparison_are_said(versions: Versions) -> None:
    crown(versions.make())
    candidate = versions.candidate()
    path = candidate.prepared.path.with_name("scored.arrow")
    changes = compare_candidate(candidate, Scored(path=path))
    assert changes
    nothing, flips = tell_changes(changes)
    assert nothing == "Nothing changed of what a version is made of since the champion."
    assert ", 0 decisions flip (0.0%)" in flips
    modules = changes.changes.model_copy(update={"modules": (Change(name="modules"),)})
    other = changes.model_copy(update={"changes": modules, "moves": None, "reason": "it is old"})
    assert [*tell_changes(other)] == [
        "Changed since the champion: Perennial's own code.",
        "How many decisions change cannot be said: it is old.",
    ]
    assert describe_changes(None) == {"changed": None}
