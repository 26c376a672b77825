"""Perennial's exceptions, each with the exit code of the command line, and how messages are made.

A message is one line: the file, key or column, what is wrong with it, and what to do.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

# Control characters but tab and newline, marks that turn the order of letters, and the halves of
# characters that Python makes of bytes that are no UTF-8.
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


# In pydantic's places: a name that a table has, and what kind of a feature it took a value for.
_MARKS = ("[key]", "[sql]", "[python]")


class PerennialError(Exception):
    """A failure that neither the user nor the data caused; base of all exceptions here."""

    exit_code = 1


class DefinitionError(PerennialError):
    """The definition file, or the command, asks for something that cannot be."""

    exit_code = 2


class SourceError(PerennialError):
    """A source cannot be found, reached or read as what it claims to be."""

    exit_code = 2


class ColumnsMissing(SourceError):
    """Some columns are not in every file of a source, and its definition does not allow that."""

    def __init__(self, said: str, columns: tuple[str, ...]) -> None:
        super().__init__(said)
        self.columns = columns


class SourceChanged(SourceError):
    """A source changed while it was read; nothing was made of it."""

    exit_code = 1


class SourceRefused(SourceError):
    """A source cannot be read without losing or misreading some of its values."""

    exit_code = 3


class NumbersLost(SourceRefused):
    """A column's numbers would be rounded; read as text it would keep them."""

    def __init__(self, said: str, column: str) -> None:
        super().__init__(said)
        self.column = column


class StoreError(PerennialError):
    """The root cannot be reached, written or trusted."""

    exit_code = 2


class StorageFull(StoreError):
    """There is no room left to write to."""

    exit_code = 1


class DataRefused(PerennialError):
    """The data can be read, but no honest model can be made of it."""

    exit_code = 3


class ContractBroken(DataRefused):
    """The data breaks its contract."""


class ClusterFailed(PerennialError):
    """The cluster's workers cannot be reached, or one of them was lost."""


class DecisionRefused(PerennialError):
    """The ledger or the gate does not allow this decision on a version."""

    exit_code = 3


class BuildFailed(PerennialError):
    """A bento cannot be built, or its server does not start."""


class ProofFailed(PerennialError):
    """A bento fails its acceptance test: other files than approved, or other predictions."""

    exit_code = 3


class EventLost(PerennialError):
    """An event could not be delivered to Prefect's server."""


class StartFailed(PerennialError):
    """A process of the local stack does not start."""


class KeeperRuns(PerennialError):
    """A supervisor is running already where another one was to be started."""


def nearest(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """End a message with the known name that was probably meant, or else with all known names.

    >>> nearest("prize", ["price", "size"])
    "did you mean 'price'?"
    """
    names = {name.casefold(): name for name in sorted(known)}
    close = get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {names[close[0]]!r}?"
    if otherwise is not None:
        return otherwise
    shown = ", ".join(map(repr, list(names.values())[:12]))
    return f"known: {shown}{', …' if len(names) > 12 else ''}" if names else "there are none"


def hide_password(text: str) -> str:
    """Mask passwords in addresses: before the host, or as an option.

    >>> hide_password("postgresql://ann:secret@db/sales")
    'postgresql://ann:***@db/sales'
    """
    text = re.sub(r"\S+", lambda word: _hide_in_address(word[0]), text)
    return re.sub(r"\b(\w*password)=[^&\s'\"]*", r"\1=***", text)


def harmless(text: str) -> str:
    r"""Escape control and bidirectional characters, and bytes that are no UTF-8.

    >>> print(harmless("red \x1b[31m"))
    red \x1b[31m
    """
    if text.isascii() and text.isprintable():  # nearly all that a page writes
        return text
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def _hide_in_address(word: str) -> str:
    """Hide what stands between the user and the last @ of `postgresql://user:…@host/…`."""
    scheme, there, rest = word.partition("://")
    known, asked, host = rest.rpartition("@")
    user, given, _ = known.partition(":")
    return f"{scheme}://{user}:***@{host}" if there and asked and given else word


def first_line(error: BaseException) -> str:
    """Give the first line of an exception's message; the rest is for the library's own users."""
    return harmless((str(error).strip() or type(error).__name__).splitlines()[0])


@contextmanager
def in_definition(origin: str) -> Iterator[None]:
    """Put the file's name before the message of a DefinitionError."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{origin}: {error}") from error


def explain_value(error: ValidationError, model: type[BaseModel], meant: Mapping[str, str]) -> str:
    """Turn pydantic's errors into one message: the first wrong key, and the nearest known one.

    An unknown key is told before a missing one, for which it may be a misspelling. `meant` says in
    words what a regular expression of the model stands for.
    """
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    named = [part for part in first["loc"] if part not in _MARKS and isinstance(part, str)]
    *sections, key = named or [""]  # a list's item is told by its value
    where = f"[{'.'.join(sections)}] {key}" if sections else key
    if first["type"] == "missing":
        return f"{where}: is missing"
    if isinstance(first["input"], dict) and key:
        where = f"[{'.'.join([*sections, key])}]"
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, sections)
        own = f"; LightGBM's own: params = {{ {key} = … }}" if "params" in known else ""
        return f"{where}: unknown key; {nearest(key, known)}{own}"
    said = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
    said = said.replace("a valid tuple", "a list").replace("a valid string", "text")
    if first["type"] == "string_pattern_mismatch":
        said = f"must be {meant[first['ctx']['pattern']]}"
    elif first["type"] in ("dict_type", "model_type"):
        said = "must be a table of keys, in [brackets] or as { key = value }"
    elif first["type"] == "too_short":
        said = "must not be empty"
    given = f" (got {hide_password(repr(first['input']))})" if key else ""
    if isinstance(first["input"], dict) or first["loc"][:1] == (
        "notify",
    ):  # maybe a secret address
        given = ""
    return f"{where}: {said}{given}" if where else said


def _keys_at(model: type[BaseModel], sections: Iterable[str]) -> list[str]:
    """List the keys that the model at this place of the file takes."""
    place: Any = model
    for section in sections:
        if isinstance(place, type) and issubclass(place, BaseModel):
            place = place.model_fields[section].annotation
        # Else a table of tables: the section is a name that the user gave.
    found = _model_in(place)
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model that an annotation names, somewhere inside."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
