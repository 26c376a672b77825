"""A root cause in one sentence for people.

Hedged, as it is inferred: it "looks" so, unless single rows prove it.
"""

from collections.abc import Iterable

from tasks.causes.mapping import Mapping
from tasks.causes.root_cause import RootCause
from tasks.core.wording import list_few

_MINUTE = "%Y-%m-%d %H:%M"
_NAMED = 3
_FOUND_IN = {
    "": "",
    "sources": " The sources hold the same values.",
    "requests": " The sources hold other values for the same rows: look at what is sent.",
}


def describe_causes(causes: Iterable[RootCause]) -> str:
    """Say all causes of one alarm, a sentence each."""
    return " Also, ".join(map(describe_cause, causes))


def describe_cause(cause: RootCause) -> str:
    """Say what happened, where it is read from, since when and in which rows."""
    mapping = cause.mapping
    told = f"{_name(cause)} {_say(mapping, cause.exact)} {_when(cause)} ({_rows(cause)})"
    where = _FOUND_IN[cause.found_in]
    if mapping is None:
        return f"{told}; no unit, shift of hours, renamed level or the like explains it.{where}"
    if cause.exact or mapping.kind == "stand-in":
        return f"{told}.{where}"
    rest = "nothing rings" if cause.quiet else "it no longer rings"
    return f"{told}: undone, {rest}.{where}"


def _name(cause: RootCause) -> str:
    own = {cause.column, f"hour of {cause.column}"}.union(
        cause.mapping.columns if cause.mapping else ()
    )
    made = [each for each in cause.features if each not in own]
    told = f" (feature {', '.join(made[:_NAMED])})" if made else ""
    files = f" ({list_few(cause.files, _NAMED)})" if cause.files else ""
    source = f" of source {cause.source}{files}" if cause.source else ""
    return f"{cause.column}{source}{told}"


def _say(mapping: Mapping | None, exact: bool) -> str:
    if mapping is None:
        return "moved"
    if mapping.kind == "stand-in":
        return f"is {mapping.about},"
    if mapping.kind == "swap":
        return f"and {mapping.columns[1]} {'are' if exact else 'look'} swapped"
    return f"{'is' if exact else 'looks'} {mapping.about}"


def _when(cause: RootCause) -> str:
    if cause.until is not None:
        return f"from about {cause.since:{_MINUTE}} to {cause.until:{_MINUTE}} UTC"
    return f"since about {cause.since:{_MINUTE}} UTC"


def _rows(cause: RootCause) -> str:
    if not cause.where:
        return f"{cause.rows:,} rows"
    return f"{cause.rows:,} of {cause.of:,} rows, only where {cause.where}"
