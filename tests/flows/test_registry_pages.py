"""Models, versions and decisions as people see them: every version whole, in 80 columns."""

from typing import Any

import pytest

from flows import console
from flows.registry_pages import print_history, print_models

VERSIONS = [f"201310{day:02d}T000000Z-6e05a89cc{day % 10}" for day in range(1, 13)]
ENTRY = {
    "number": 1,
    "action": "approve",
    "version": VERSIONS[0],
    "approver": "Ada",
    "os_user": "root",
    "time": "2013-10-02T10:00:00.123456Z",
    "reason": "read [it]",
    "override": True,
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 80)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", ["new", "flight-delay", "a-name-that-is-long-" * 3])
def test_models_are_shown_with_whole_versions(
    narrow: None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_models("root", {}, {})
    assert lines(capsys) == ["root: no model yet; run `perennial retrain MODEL`"]
    waits = {"champion": VERSIONS[0], "candidates": VERSIONS, "waiting": VERSIONS[1:3]}
    idle = {"champion": None, "candidates": VERSIONS[:1], "waiting": []}
    print_models("root", {name: waits, "old": idle}, {})
    said = lines(capsys)
    assert max(map(len, said)) <= 80
    assert all(any(version in line for line in said) for version in VERSIONS[:3])
    assert ["old", "–", "1", "–"] in [line.split() for line in said]
    assert not set("".join(said)) & set("│┃━─┏└")


def test_a_unit_stands_beside_what_is_measured_in_it(
    narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics: dict[str, Any] = {"holdout": {"rmse": 40.5, "r2": 0.2}, "train": {"rmse": 30, "r2": 1}}
    known = {"model": "m", "version": VERSIONS[0], "verdict": "passed", "champion": None}
    made = known | {"metrics": metrics, "unit": "[red]min"}
    print_history({"model": "m", "versions": [made], "ledger": []}, {})
    assert "  rmse 40.5000 ([red]min), r2 0.2000" in lines(capsys)
    rest = {"checks": [], "simple": {}, "baseline": {}, "warnings": [], "rows": {}, "seconds": {}}
    console.print_version(made | rest | {"report": "report.html"})
    assert ["rmse", "([red]min)", "40.5000", "30.0000"] in [line.split() for line in lines(capsys)]


def test_history_shows_versions_and_decisions_whole(
    narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"holdout": {"auc": 0.7, "log_loss": 0.4, "brier": 0.1, "accuracy": 0.8}}
    made: dict[str, Any] = {"verdict": "refused", "metrics": metrics}
    versions = [
        {"version": VERSIONS[0], "champion": None, **made},
        {"version": VERSIONS[1], "champion": {"version": VERSIONS[0]}, **made},
    ]
    print_history({"model": "m", "versions": versions, "ledger": []}, {VERSIONS[0]: "fine"})
    said = lines(capsys)
    assert f"{VERSIONS[1]}  refused, against {VERSIONS[0]}" in said
    assert "  auc 0.7000, log_loss 0.4000, brier 0.1000, accuracy 0.8000" in said
    assert {"  proof: fine", "no decision yet"} <= set(said)
    print_history({"model": "m", "versions": versions, "ledger": [ENTRY]}, {})
    said = lines(capsys)
    assert f"  1  approve (override)  {VERSIONS[0]}  2013-10-02T10:00:00" in said
    assert "     by Ada (as root): read [it]" in said
    assert max(map(len, said)) <= 80
