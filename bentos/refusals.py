"""Refusals of values in whole sentences: which column, what it takes, and what was sent instead.

Responsible for the words of a refusal, from what a decoder or a conversion complained of. Not
responsible for finding what is wrong.
"""

import re
from collections.abc import Sequence
from typing import Any

from bentos.columns import Column
from bentos.errors import LONGEST_NAME, RequestRefused
from bentos.plain_words import name_kind, name_type, show_value

_GOT = re.compile(r", got `(\w+)`")


def refuse_unknown(columns: Sequence[Column], name: str) -> RequestRefused:
    """Say that a name is no column's, and which one was probably meant."""
    names = [column.name for column in columns]
    shown = name[:LONGEST_NAME]
    if name in names:
        return RequestRefused(400, f'{shown} must stand inside "columns", not beside it', name)
    wanted = _simplify(shown)
    similar = next((each for each in names if _is_near(_simplify(each), wanted)), None)
    hint = "see /docs for its columns" if similar is None else f"did you mean {similar!r}?"
    return RequestRefused(400, f"{shown} is no column of this model; {hint}", name)


def _simplify(name: str) -> str:
    return re.sub(r"[\W_]", "", name[:LONGEST_NAME]).casefold()


def _is_near(name: str, other: str) -> bool:
    """Tell a slip of the pen: what differs is short, and in one place.

    In time with the names' length only: difflib takes a second for a name that is made for it.
    """
    start = _count_same(name, other)
    end = _count_same(name[start:][::-1], other[start:][::-1])
    differing = max(len(name), len(other)) - start - end
    return differing <= 2 and 2 * differing <= max(len(name), len(other))


def _count_same(name: str, other: str) -> int:
    """Count the letters with which both begin."""
    pairs = enumerate(zip(name, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(name), len(other)))


def refuse_missing(columns: Sequence[Column], name: str) -> RequestRefused:
    """Say what to give for a column that was left out."""
    column = _find(columns, name)
    if column is None:
        return RequestRefused(400, f"{name} is missing", name)
    told = f"{name} is missing; give {name_type(column.dtype)}, or null where it is not known"
    return RequestRefused(400, told, name)


def refuse_kind(columns: Sequence[Column], name: str | None, said: str) -> RequestRefused:
    """Say what must stand where a decoder found another kind of value, or one out of range."""
    found = _GOT.search(said)
    sent = f"this is {name_kind(found[1])}" if found else "this is not"
    column = _find(columns, name)
    if said.startswith("Expected `array`") and name is not None:
        told = f"{name} must be a list of values, one for each row; {sent}"
    elif column is not None and not said.startswith("Expected `object`"):
        return refuse_value(column, _describe_fraction(said) or sent)
    elif name == "columns":
        told = f"columns must be an object of lists, one for each column; {sent}"
    else:
        told = f"a row must be an object of the columns' names and their values; {sent}"
    return RequestRefused(400, told, name)


def refuse_value(column: Column, sent: str) -> RequestRefused:
    told = f"{column.name} must be {name_type(column.dtype)}; {sent}"
    return RequestRefused(400, told, column.name)


def describe_sent(values: Sequence[Any], place: int | None) -> str:
    """Tell the value that is at fault, and its row where there are several.

    Without its place it is one of a kind that the column does not take: the first, if all are.
    """
    if place is None and len({type(value) for value in values if value is not None}) == 1:
        place = next(n for n, value in enumerate(values) if value is not None)
    if place is None:
        return "one that was sent is not"
    row = f" (row {place + 1})" if len(values) > 1 else ""
    return f"this is {show_value(values[place])}{row}"


def _describe_fraction(said: str) -> str:
    whole = said.startswith("Expected `int`") and "got `float`" in said
    return "this is a number with a fraction" if whole else ""


def _find(columns: Sequence[Column], name: str | None) -> Column | None:
    return next((column for column in columns if column.name == name), None)
