"""What changed since the champion, as a candidate's page says it, and in sentences.

Drift is in the page's part on data. Not responsible for what is compared (`comparison`).
"""

import json
from collections.abc import Iterator
from typing import Any

from tasks.comparison.candidate_changes import CandidateChanges
from tasks.comparison.recorded_changes import Change
from tasks.core.wording import list_few
from tasks.reports.formatting import format_number, format_share

_SLICES, _NAMED = 10, 3


def describe_changes(changes: CandidateChanges | None) -> dict[str, Any]:
    """Give the values of the template `candidate_changes.html.jinja`."""
    if changes is None:
        return {"changed": None}
    return {
        "changed": {
            "champion": changes.champion,
            "sentences": list(tell_changes(changes)),
            "sides": list(_list_sides(changes)),
            "code": [(each.module, "\n".join(each.lines)) for each in changes.changes.code],
            "flips": _list_flips(changes),
            "slices": _list_slices(changes),
            "regression": changes.moves is not None and changes.moves.differences is not None,
        }
    }


def tell_changes(changes: CandidateChanges) -> Iterator[str]:
    """Say in sentences what changed, and which decisions that changes."""
    made = changes.changes
    if made.nothing:
        yield "Nothing changed of what a version is made of since the champion."
    named = [each.name for each in made.definition]
    named += [f"feature {each.name}" for each in made.features if each.change != "none"]
    named += [f"package {each.name}" for each in made.packages]
    named += [f"code {each.module}" for each in made.code]
    if made.modules:
        named.append("Perennial's own code")
    if named:
        yield f"Changed since the champion: {list_few(named, _NAMED)}."
    if changes.reason:
        yield f"How many decisions change cannot be said: {changes.reason}."
    yield from _tell_moves(changes)


def _tell_moves(changes: CandidateChanges) -> Iterator[str]:
    if changes.moves and (told := changes.moves.decisions):
        yield (
            f"On the {told.rows:,} rows that the champion never saw, {told.flipped:,} decisions "
            f"flip ({format_share(told.share)}): {told.mended:,} are right now, {told.spoilt:,} "
            "were right before."
        )
    if changes.moves and (moved := changes.moves.differences):
        yield (
            f"On the {moved.rows:,} rows that the champion never saw, values move by "
            f"{format_number(moved.mean_size)} on average; {format_share(moved.beyond)} by more "
            f"than the champion's mean error, {format_number(moved.typical_error)}."
        )


def _list_sides(changes: CandidateChanges) -> Iterator[list[str]]:
    """Give each change as its name and both sides."""
    made = changes.changes
    for each in made.features:
        if each.change != "none":
            yield [f"feature {each.name}", each.before or "–", each.after or "–"]
    for name, listed in (("", made.definition), ("", made.fitted), ("package ", made.packages)):
        yield from ([f"{name}{each.name}", *_write_sides(each)] for each in listed)


def _write_sides(change: Change) -> list[str]:
    return [_write(change.before), _write(change.after)]


def _write(value: Any) -> str:
    """Write a value as JSON has it, but text as it is; what is not there is an en dash."""
    if value is None or isinstance(value, str):
        return value or "–"
    return json.dumps(value, ensure_ascii=False, default=str)


def _list_flips(changes: CandidateChanges) -> list[list[str]]:
    told = changes.moves and changes.moves.decisions
    return [
        [
            f"{each.before} → {each.after}",
            f"{each.rows:,}",
            f"{each.right_before:,}",
            f"{each.right_after:,}",
        ]
        for each in (told.flips if told else ())
    ]


def _list_slices(changes: CandidateChanges) -> list[list[str]]:
    slices = changes.moves.slices if changes.moves else ()
    return [
        [
            f"{each.slice} = {each.level}",
            f"{each.rows:,}",
            format_number(each.mean_size)
            if each.share is None
            else f"{each.flipped:,} ({format_share(each.share)})",
        ]
        for each in slices[:_SLICES]
        if each.share or each.mean_size
    ]
