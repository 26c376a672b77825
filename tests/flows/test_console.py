"""What the command line shows to people: every value that it was given, and the next step."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flows import console as printed
from flows import registry_pages as pages

Shown = Callable[[], str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    monkeypatch.setattr(printed.out, "width", 200)

    def read() -> str:
        return capsys.readouterr().out

    return read


def test_release_says_how_the_bento_is_served(shown: Shown) -> None:
    printed.print_release({"summary": "m v1: rejected by Ada"})
    assert shown() == "m v1: rejected by Ada\n"
    printed.print_release({"summary": "m v1: released", "model": "m", "bento": "m:v1"})
    assert shown().splitlines()[1:] == [
        "serve it: perennial serve m",
        "or as it is: bentoml serve m:v1",
    ]


def test_monitored_model_is_shown_with_what_to_act_on(shown: Shown) -> None:
    printed.print_monitored({"champion": None, "warnings": ["there is no champion"]})
    assert shown() == "there is no champion\n"
    found = {"model": "m", "champion": "v1", "events": [], "warnings": [], "report": "page.html"}
    printed.print_monitored(found | {"summary": {"quality": "as promised"}})
    quiet = shown()
    assert "m v1  no action needed" in quiet
    assert "quality  as promised" in quiet
    event = {"kind": "quality-lost", "state": "told", "reason": "auc [0.5] fell", "detail": ""}
    printed.print_monitored(
        found | {"summary": {}, "events": [event], "warnings": ["no key [in] the log"]}
    )
    loud = shown()
    assert "m v1  action needed" in loud
    assert "quality-lost  told  auc [0.5] fell" in loud
    assert "warning no key [in] the log" in loud
    printed.print_monitored(found | {"summary": {}, "events": [event | {"cause": "x [is] 0."}]})
    assert "root cause: x [is] 0." in shown()


def test_policies_are_shown_side_by_side(shown: Shown) -> None:
    track = {"mean": {"auc": 0.7, "brier": 0.1}, "retrains": [1, 2], "seconds": 3.2}
    counts = {"promotions": 1, "refusals": 1}
    policies = {"drift": track | counts, "never": track | counts | {"mean": None}}
    done = {"metric": "auc", "second": "brier", "policies": policies, "report": "page.html"}
    printed.print_backtest(done | {"told": ["drift is the best", "No [serving] cost says so."]})
    said = shown()
    assert "drift is the best\nNo [serving] cost says so." in said
    assert "0.7000" in said
    assert said.count("–") >= 2
    assert "report page.html" in said


def test_drill_shows_what_caught_each_fault_and_what_did_not(shown: Shown) -> None:
    faults = [
        {"fault": "unit", "guard": "alarm", "detail": "x [is] 100 times", "caught": True},
        {"fault": "clock", "guard": "", "detail": "", "caught": False},
    ]
    alarms = [{"guard": "gate", "detail": "slices"}]
    printed.print_drill({"faults": faults, "false_alarms": alarms, "caught": 1})
    said = shown()
    assert "✓  unit   alarm      x [is] 100 times" in said
    assert "✗  clock  nothing" in said
    assert "without a fault gate: slices" in said
    assert "1 of 2 faults caught" in said


def test_reproduction_shows_each_file_and_why_it_differs(shown: Shown) -> None:
    printed.print_reproduction({"same": ["a"], "different": ["b"], "causes": ["package: p"]})
    assert [line.split() for line in shown().splitlines()] == [
        ["✓", "a", "the", "same"],
        ["✗", "b", "differs"],
        ["package:", "p"],
    ]
    printed.print_reproduction({"same": ["a"], "different": [], "causes": []})
    assert "everything is as it was then" in shown()


def test_findings_are_shown_with_the_mend_of_what_is_not_well(shown: Shown) -> None:
    printed.print_findings(
        [
            {"name": "disk", "well": True, "detail": "9 GB", "mend": "free some"},
            {"name": "clock", "well": False, "detail": "2 hours off", "mend": "set it"},
        ]
    )
    said = shown()
    assert "✓  disk   9 GB" in said
    assert "✗  clock  2 hours off" in said
    assert "→ set it" in said
    assert "free some" not in said


def test_tables_are_shown_with_the_time_until_which_they_know(shown: Shown) -> None:
    printed.print_materialised(
        {
            "tables": {
                "planes": {"entities": 1234, "as_of": None},
                "delays": {"entities": 5, "as_of": "2013-07-01"},
            }
        }
    )
    assert shown().splitlines() == [
        "planes: 1,234 entities, without time",
        "delays: 5 entities, as known at 2013-07-01",
    ]


SAYING = """
import ctypes, logging, os, subprocess, sys
from flows.console import print_json, progress
with progress("saying all sorts of things"):
    print("a library")
    os.write(1, b"native code\\n")
    ctypes.CDLL(None).puts(b"what C holds back")
    subprocess.run([sys.executable, "-c", "print('another process')"])
    logging.StreamHandler(sys.stdout).emit(logging.makeLogRecord({"msg": "a log line"}))
print_json({"done": True})
"""


def test_nothing_but_the_result_reaches_standard_output() -> None:
    said = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True)
    assert json.loads(said.stdout) == {"done": True}
    for each in ("a library", "native code", "what C holds back", "another process", "a log line"):
        assert each in said.stderr


HOSTILE = "[/b] [red]x[/] :taxi: \x1b[31m\x9b31m \u202e\udcff"
SHOWN_AS = r"[/b] [red]x[/] :taxi: \x1b[31m\x9b31m \u202e\udcff"
EACH = {"name": HOSTILE, "detail": HOSTILE, "passed": True, "well": False, "mend": HOSTILE}
ENTRY = {"number": 1, "action": "approve", "override": False, "version": HOSTILE, "time": "now"}
NUMBERS = {"holdout": {"auc": 0.5}, "train": {"auc": 0.5}}
VERSION = {"model": HOSTILE, "version": HOSTILE, "verdict": "passed", "metrics": NUMBERS}


@pytest.mark.parametrize(
    ("show", "times"),
    [
        (
            lambda: printed.print_release({"summary": HOSTILE, "model": HOSTILE, "bento": HOSTILE}),
            3,
        ),
        (lambda: printed.print_waiting(HOSTILE, HOSTILE), 2),
        (lambda: pages.print_models(HOSTILE, {}, {}), 1),
        (
            lambda: pages.print_models(
                HOSTILE,
                {HOSTILE: {"champion": HOSTILE, "candidates": [], "waiting": [HOSTILE]}},
                {HOSTILE: HOSTILE},
            ),
            5,
        ),
        (
            lambda: pages.print_history(
                {
                    "model": HOSTILE,
                    "versions": [VERSION | {"champion": None}],
                    "ledger": [ENTRY | {"approver": HOSTILE, "os_user": "", "reason": HOSTILE}],
                },
                {HOSTILE: HOSTILE},
            ),
            7,
        ),
        (
            lambda: printed.print_version(
                VERSION
                | {"checks": [EACH], "champion": None, "simple": {"auc": 1}, "baseline": {}}
                | {"warnings": [HOSTILE], "rows": {}, "seconds": {}, "report": HOSTILE}
            ),
            6,
        ),
        (
            lambda: printed.print_monitored(
                {"model": HOSTILE, "champion": HOSTILE, "summary": {HOSTILE: HOSTILE}}
                | {"warnings": [HOSTILE], "report": HOSTILE}
                | {"events": [{"kind": HOSTILE, "state": "", "reason": HOSTILE, "detail": HOSTILE}]}
            ),
            9,
        ),
        (lambda: printed.print_findings([EACH]), 3),
        (
            lambda: printed.print_drill(
                {"faults": [EACH | {"fault": HOSTILE, "guard": HOSTILE, "caught": True}]}
                | {"false_alarms": [EACH | {"guard": HOSTILE}], "caught": 1}
            ),
            5,
        ),
        (
            lambda: printed.print_reproduction(
                {"same": [HOSTILE], "different": [HOSTILE], "causes": [HOSTILE]}
            ),
            3,
        ),
        (lambda: printed.print_error(HOSTILE), 1),
    ],
)
def test_data_is_shown_as_it_is_and_steers_no_terminal(
    show: Callable[[], None], times: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    for console in (printed.out, printed.err):
        monkeypatch.setattr(console, "width", 2000)
    show()
    said = "".join(capsys.readouterr())
    assert said.count(SHOWN_AS) == times
    assert not {"\x1b", "\x9b", "\u202e", "\udcff"} & set(said)


def test_steps_that_are_shown_steer_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A surrogate in a test's own log cannot be told to another process.
    monkeypatch.setattr(logging.getLogger("perennial"), "propagate", False)
    with printed.progress("looking"):
        logging.getLogger("perennial.decisions").info("approved by %s already", HOSTILE)
    assert SHOWN_AS in " ".join(capsys.readouterr().err.split())
