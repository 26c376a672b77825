"""Two versions set against each other as people see them: both sides whole, in 80 columns."""

from typing import Any

import pytest

from flows import console
from flows.comparison_pages import print_comparison, write_contribution

OLD, NEW = "20131001T000000Z-6e05a89cc1", "20131101T000000Z-6e05a89cc2"
STEERING = "\x1b\u202e"
GAIN = {"value": -0.01, "low": -0.03, "high": 0.01}
MOVED = {"feature": "hour", "before": 0.5, "after": -0.25, "value_before": 6, "value_after": 7}


def side(version: str) -> dict[str, Any]:
    return {"version": version, "as_of": None, "published": "2013-11-02T10:00:00+00:00"}


def change(name: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    return {"name": name, "before": before, "after": after}


def feature(name: str, change: str, share: float | None) -> dict[str, Any]:
    told = {"before": "x", "after": None, "share_before": share, "share_after": 0.25}
    return {"name": name, "change": change, **told}


def compared(answers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    data = {"same": True, "rows": [], "sources": [], "columns": [], "drift": []}
    nothing: dict[str, Any] = {
        name: [] for name in ("definition", "features", "fitted", "modules", "code", "packages")
    }
    return {
        "model": "flights",
        "before": side(OLD),
        "after": side(NEW),
        "same_model": not changes,
        "nothing_changed": not changes,
        "changes": {**nothing, "data": data, **changes},
        "answers": answers,
    }


def answered(**told: Any) -> dict[str, Any]:
    return {
        "reason": "",
        "rows": 1_200,
        "held_out": 1_500,
        "models": ["released", "twin"],
        "confidence": 0.95,
        "metrics": [{"metric": "auc", "before": 0.71, "after": 0.7, "gain": GAIN}],
        "decisions": None,
        "differences": None,
        "slices": [],
        "examples": [],
        "scale": "log-odds",
        "unexplained": "",
        **told,
    }


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 80)


def printed(capsys: pytest.CaptureFixture[str], found: dict[str, Any]) -> str:
    print_comparison(found)
    return capsys.readouterr().out


@pytest.mark.usefixtures("narrow")
def test_nothing_changed_and_the_reason_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, compared({"reason": "another target"}))
    assert all(version in text for version in (OLD, NEW))
    assert "nothing changed of what a version is made of" in text
    assert "the same, byte by byte" in text
    assert "data: the same snapshot" in text
    assert "nothing to compare: another target" in text


@pytest.mark.usefixtures("narrow")
def test_each_change_is_a_line_with_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    drift = [{"column": f"c{nth}", "psi": 0.5} for nth in range(12)]
    code = {"module": "own.py", "lines": ["--- a", "+++ b", "-one", *["+two"] * 50]}
    changes = {
        "definition": [change("training.rounds", 20, 3000), change(STEERING, None, ["a", "b"])],
        "modules": [change("modules", "1", "2")],
        "packages": [change("polars", "1.0", "1.1")],
        "code": [code],
        "features": [feature("hour", "removed", 0.5), *[feature("x", "none", None)] * 12],
        "data": {
            "same": False,
            "rows": [change("fit", 900, 1200)],
            "sources": [change("s", "a" * 64, "b" * 64)],
            "columns": [{"column": "k", "change": "retyped", "reference_dtype": "Int64",
                         "current_dtype": None}],
            "drift": drift,
        },
    }  # fmt: skip
    text = printed(capsys, compared({"reason": "none"}, **changes))
    for said in (
        "training.rounds: 20 → 3,000",
        "– → a, b",
        "Perennial's own modules that make models are others",
        "polars: 1.0 → 1.1",
        "+two",
        "13 lines more; --json has all",
        "hour: x → –",
        "and 3 more, that did not change or weigh less",
        "fit: 900 → 1,200",
        f"source s: {'a' * 11}… → {'b' * 11}…",
        "column k retyped: Int64 → –",
        "drift c9: PSI 0.500",
        "and 2 columns more drifted",
    ):
        assert said in text
    assert not set(STEERING) & set(text)
    still = {**changes["data"], "drift": []}  # type: ignore[dict-item]
    assert "no column drifted" in printed(capsys, compared({"reason": "none"}, data=still))


@pytest.mark.usefixtures("narrow")
def test_decisions_slices_and_rows_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    flip = {"before": "no", "after": "yes", "rows": 30, "right_before": 10, "right_after": 20}
    decisions = {
        "rows": 1_200, "flipped": 30, "share": 0.025, "mended": 20, "spoilt": 10, "flips": [flip],
        "thresholds": [0.5, 0.25],
    }  # fmt: skip
    slices = [{"slice": "origin", "level": "EWR", "rows": 400, "flipped": 20, "share": 0.05,
               "mean_size": None}]  # fmt: skip
    example = {"key": {"id": 7, "day": "2013-10-02"}, "target": "yes", "before": 0.4, "after": 0.3,
               "said_before": "no", "said_after": "yes", "moved": [MOVED]}  # fmt: skip
    answers = answered(decisions=decisions, slices=slices, examples=[example])
    text = printed(capsys, compared(answers, definition=[change("a", 1, 2)]))
    for said in (
        "1,200 of 1,500 held-out rows, answered by the released model of before and the evaluated",
        "-0.0100 (-0.0300 to +0.0100)",
        "after is better by (95% interval)",
        "yes from a probability of 0.5 → 0.25",
        "30 of 1,200 decisions flip (2.5%): 20 are right now, 10 were right before",
        "no → yes: 30, right before 10, after 20",
        "origin = EWR  400   20 (5.0%)",
        "typical rows that are answered differently; contributions in log-odds",
        "id 7, day 2013-10-02: no → yes (0.4 → 0.3), true yes",
        "hour = 6 → 7: +0.5000 → -0.2500",
    ):
        assert said in text
    assert write_contribution({**MOVED, "after": None}).endswith("+0.5000 → –")


@pytest.mark.usefixtures("narrow")
def test_values_that_move_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    told = {"rows": 100, "moved": 90, "mean": 0.5, "mean_size": 1.25, "typical_error": 4.0,
            "quantiles": [-2.0, -1.0, 0.0, 1.0, 2.0], "beyond": 0.125}  # fmt: skip
    slices = [{"slice": "c", "level": "a", "rows": 40, "flipped": None, "share": None,
               "mean_size": 1.5}]  # fmt: skip
    row = {"key": {"row": 7}, "target": "3", "before": 1.0, "after": 2.0, "said_before": "1",
           "said_after": "2", "moved": []}  # fmt: skip
    answers = answered(differences=told, slices=slices, examples=[row], scale="",
                       unexplained="different units", thresholds=None)  # fmt: skip
    text = printed(capsys, compared(answers, definition=[change("a", 1, 2)]))
    for said in (
        "90 of 100 values move, by 1.25 on average (mean +0.5; 90% from -2 to +2)",
        "12.5% move by more than the mean error before, 4",
        "mean size of a move",
        "no contributions: different units",
    ):
        assert said in text
