"""The messages: what people read of a candidate, a decision and an alert.

Responsible for their words, and for the key by which a message is known when it comes again. Not
responsible for which are due (`told`), nor for where they go (`delivery`).
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from tasks.core.definition import Frozen
from tasks.core.errors import harmless
from tasks.core.wording import list_few
from tasks.monitoring.alert_deduplication import SentAlert
from tasks.registry.ledger import Entry

_LONGEST = 600  # of a reason, a detail: chats cut what is longer, and the report has all of it
_DONE = {"release": "released", "rollback": "rolled back to", "reject": "rejected"}
_NAMED = 3


class Message(Frozen):
    """One message. With `remind` it is told again each such time, and at once when `held` grows."""

    key: str
    subject: str
    body: str
    remind: timedelta | None = None
    held: tuple[str, ...] = ()


def describe_waiting(
    made: dict[str, Any], others: Sequence[str], held: Iterable[SentAlert], remind: timedelta
) -> Message:
    """Tell that a candidate passed and waits, what it holds back, and what decides on it."""
    model, version = made["model"], made["version"]
    signed = "--as NAME --reason TEXT"
    lines = [
        say_verdict(made),
        f"Report: {made['report']}",
        f"To release it: perennial approve {model} {version} {signed}",
        f"To reject it: perennial reject {model} {version} {signed}",
        f"Or by the form in Prefect's UI: Deployments, release/{model}, Custom run",
    ]
    if others:
        lines.append(f"Older candidates that wait, too: {', '.join(others)}")
    held = list(held)
    if held:
        lines.append("Until it is decided, these start no retrain:")
        lines += [f"- {_title(each.kind)}: {_short(each.reason)}" for each in held]
    return Message(
        key=f"waiting/{version}/{made['manifest']}",
        subject=f"{model}: candidate {version} passed and waits for a decision",
        body="\n".join(lines),
        remind=remind,
        held=tuple(sorted(f"{each.kind} {each.key}" for each in held)),
    )


def describe_refused(made: dict[str, Any]) -> Message:
    """Tell why the gate refused a candidate."""
    model, version = made["model"], made["version"]
    return Message(
        key=f"refused/{version}/{made['manifest']}",
        subject=f"{model}: candidate {version} was refused",
        body=f"{say_verdict(made)}\nReport: {made['report']}",
    )


def say_verdict(made: dict[str, Any]) -> str:
    """Say a verdict in one sentence, with the numbers that it rests on."""
    checks = made["checks"]
    bad = [each for each in checks if not each["passed"]]
    if bad:
        told = [f"{each['name']} ({_short(each['detail'])})" for each in bad]
        named = list_few(told, _NAMED, "; ")
        return f"{len(bad)} of the {len(checks)} checks of its gate failed: {named}."
    champion = made["champion"]
    if champion:
        ours, theirs = _numbers(champion["candidate"]), _numbers(champion["metrics"])
        rows = f"{champion['rows']:,} rows that neither model had seen"
        rival = f"; the champion {champion['version']} has {theirs}"
    else:
        ours, rival = _numbers(made["metrics"]["holdout"]), "; there is no champion yet"
        rows = "the holdout"
    warned = [_short(each["warning"]) for each in checks if each.get("warning")]
    more = f" Warning: {'; '.join(warned)}." if warned else ""
    return f"All {len(checks)} checks of its gate passed: on {rows} it has {ours}{rival}.{more}"


def describe_decision(model: str, entry: Entry) -> Message:
    """Tell a decision that the ledger holds."""
    who = f"By {entry.approver} (as {entry.os_user}), {entry.time:%Y-%m-%d %H:%M} UTC"
    override = "\nIts gate had refused it: released by override." if entry.override else ""
    reason = f": {_short(entry.reason)}" if entry.reason else ""
    undo = f"\nTo undo it: perennial rollback {model} --as NAME --reason TEXT"
    return Message(
        key=f"decision/{entry.digest}",
        subject=f"{model}: {_DONE[entry.action]} {entry.version}",
        body=harmless(f"{who}{reason}{override}{undo if entry.action == 'release' else ''}"),
    )


def is_told(entry: Entry) -> bool:
    """Tell whether people hear of an entry; of an approval they hear by its release."""
    return entry.action in _DONE


def describe_alert(model: str, alert: SentAlert, report: str) -> Message:
    """Tell what the monitor found, and why, where that is known."""
    cause = f"Root cause: {_short(alert.cause)}\n" if alert.cause else ""
    return Message(
        key=f"alert/{alert.kind}/{alert.key}",
        subject=f"{model}: {_title(alert.kind)}",
        body=harmless(f"{_short(alert.reason)}\n{cause}Report: {report}"),
    )


def _title(kind: str) -> str:
    return {"distribution-moved": "the distribution moved"}.get(kind, kind.replace("-", " "))


def _numbers(metrics: dict[str, float]) -> str:
    """Name the first two metrics, by which a kind of target is judged."""
    named = [f"{name} {value:.4f}" for name, value in list(metrics.items())[:2]]
    return " and ".join(named)


def _short(text: str) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
