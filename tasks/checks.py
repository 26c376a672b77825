"""A check: its name, whether it passed, the numbers it judged by and a sentence about them."""

from collections.abc import Iterable

from tasks.definition import Frozen


class Check(Frozen):
    name: str
    passed: bool
    detail: str
    numbers: dict[str, float | int | str | None] = {}


def failed(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if not check.passed]
