"""One check's result: its name, whether it passed, its numbers and a sentence about them.

Responsible for the form of results and their common sentences. Not responsible for what is checked:
the data contract and the gate both use it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from tasks.core.definition import Frozen
from tasks.core.wording import list_few


class Check(Frozen):
    """`warning` says why it passed only after something was taken off."""

    name: str
    passed: bool
    detail: str
    numbers: dict[str, float | int | str | None] = Field(default={})
    warning: str = Field(default="", exclude_if=lambda text: not text)


def failed(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if not check.passed]


def say_failed(checks: Iterable[Mapping[str, Any]]) -> str:
    """Say the first of the checks that failed, as files hold them, and how many more did.

    >>> say_failed([{"name": "auc", "passed": False, "detail": "0.6 under 0.7"}])
    'auc: 0.6 under 0.7'
    """
    bad = [f"{each['name']}: {each['detail']}" for each in checks if not each["passed"]]
    return list_few(bad, 1, "; ")


def at_least(name: str, count: int, least: int, what: str) -> Check:
    return Check(
        name=name,
        passed=count >= least,
        detail=f"{count:,} {what}, at least {least:,} needed",
        numbers={"count": count, "least": least},
    )


def at_most(name: str, count: int, most: int, what: str) -> Check:
    return Check(
        name=name,
        passed=count <= most,
        detail=f"{count:,} {what}, at most {most:,} allowed",
        numbers={"count": count, "most": most},
    )


def share_at_most(name: str, count: int, rows: int, allowed: float, what: str) -> Check:
    share = count / rows if rows else 0.0
    return Check(
        name=name,
        passed=share <= allowed,
        detail=f"{count:,} of {rows:,} rows ({share:.2%}) {what}, at most {allowed:.2%} allowed",
        numbers={"count": count, "share": share, "allowed": allowed},
    )
