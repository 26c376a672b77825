"""Messages: a verdict in one sentence, the exact commands, and nothing that steers a terminal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.monitoring.alert_deduplication import SentAlert
from tasks.notifications.messages import (
    describe_alert,
    describe_decision,
    describe_refused,
    describe_waiting,
    is_told,
)
from tasks.registry.ledger import Entry

PASSED = {"name": "beats_baseline", "passed": True, "detail": "auc 0.8 against 0.5"}
CHAMPION = {
    "version": "20200101T000000Z-old",
    "rows": 1200,
    "candidate": {"auc": 0.81, "log_loss": 0.4, "brier": 0.1},
    "metrics": {"auc": 0.8, "log_loss": 0.41, "brier": 0.2},
}


def make(champion: dict[str, Any] | None = None, **failed: str) -> dict[str, Any]:
    bad = [{"name": name, "passed": False, "detail": said} for name, said in failed.items()]
    return {
        "model": "churn",
        "version": "20200201T000000Z-new",
        "manifest": "f00d",
        "report": "/kept/report.html",
        "checks": [PASSED, *bad],
        "metrics": {"holdout": {"auc": 0.8123, "log_loss": 0.4}},
        "champion": champion,
    }


def held(reason: str = "auc fell", key: str = "k") -> SentAlert:
    return SentAlert(kind="quality-lost", reason=reason, key=key, state="held back")


def entry(action: str, **given: Any) -> Entry:
    said = {"action": action, "version": "v1", "manifest": "f00d", "approver": "Ada"}
    time = datetime(2020, 2, 3, tzinfo=UTC)
    fields = {"number": 1, "previous": "", "os_user": "ada", "time": time}
    return Entry.model_validate(fields | {"reason": "report read", "digest": "d"} | said | given)


def test_waiting_candidate_is_told_with_verdict_report_and_commands() -> None:
    said = describe_waiting(make(CHAMPION), ["v0"], [held()], timedelta(days=1))
    assert said.subject == "churn: candidate 20200201T000000Z-new passed and waits for a decision"
    first, *rest = said.body.splitlines()
    assert first == (
        "All 1 checks of its gate passed: on 1,200 rows that neither model had seen it has auc "
        "0.8100 and log_loss 0.4000; the champion 20200101T000000Z-old has auc 0.8000 and "
        "log_loss 0.4100."
    )
    assert rest == [
        "Report: /kept/report.html",
        "To release it: perennial approve churn 20200201T000000Z-new --as NAME --reason TEXT",
        "To reject it: perennial reject churn 20200201T000000Z-new --as NAME --reason TEXT",
        "Or by the form in Prefect's UI: Deployments, release/churn, Custom run",
        "Older candidates that wait, too: v0",
        "Until it is decided, these start no retrain:",
        "- quality lost: auc fell",
    ]
    alone = describe_waiting(make(), [], [], timedelta(days=1))
    assert "on the holdout it has auc 0.8123" in alone.body
    assert alone.body.splitlines()[0].endswith("there is no champion yet.")
    assert alone.key == said.key


def test_approver_hears_what_was_taken_off_for_a_check_to_pass() -> None:
    warned = {**PASSED, "warning": "calibrated passes with a base rate taken off"}
    said = describe_waiting({**make(CHAMPION), "checks": [warned]}, [], [], timedelta(days=1))
    first = said.body.splitlines()[0]
    assert first.endswith(" Warning: calibrated passes with a base rate taken off.")


def test_refusal_names_the_checks_that_failed() -> None:
    many = {f"check_{number}": "x" * 2000 for number in range(5)}
    said = describe_refused(make(**many))
    assert said.body.startswith("5 of the 6 checks of its gate failed: check_0 (xxx")
    assert "…); and 2 more." in said.body
    one = describe_refused(make(slices="origin EWR is worse"))
    assert one.body.startswith(
        "1 of the 2 checks of its gate failed: slices (origin EWR is worse).\nReport: "
    )


@pytest.mark.parametrize(
    ("made", "subject", "said"),
    [
        (entry("release"), "churn: released v1", "perennial rollback churn --as NAME"),
        (entry("release", override=True), "churn: released v1", "released by override"),
        (entry("rollback"), "churn: rolled back to v1", "By Ada (as ada), 2020-02-03 00:00 UTC"),
        (entry("reject"), "churn: rejected v1", ": report read"),
    ],
)
def test_decision_is_told_with_who_and_why(made: Entry, subject: str, said: str) -> None:
    told = describe_decision("churn", made)
    assert is_told(made)
    assert told.subject == subject
    assert said in told.body


def test_approval_is_told_by_its_release() -> None:
    assert not is_told(entry("approve"))


def test_root_cause_is_told_where_it_is_known() -> None:
    because = held().model_copy(update={"cause": "x is 0 in all rows.\nelse"})
    said = describe_alert("churn", because, "/kept/report.html").body.splitlines()
    assert said == ["auc fell", "Root cause: x is 0 in all rows. else", "Report: /kept/report.html"]


def test_words_of_others_steer_nothing() -> None:
    alert = held("red \x1b[31m\u202e\nsecond line")
    said = describe_alert("churn", alert, "/kept/report.html")
    assert said.body.splitlines() == [
        r"red \x1b[31m\u202e second line",
        "Report: /kept/report.html",
    ]
    assert "\x1b" not in describe_decision("churn", entry("reject", reason="\x1b[2J")).body
