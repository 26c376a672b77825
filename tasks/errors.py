"""The ways Perennial says no. Each carries the exit code that the command line ends with.

A message is one line: the file, key or column, what is wrong with it, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PerennialError(Exception):
    """Something failed that neither the user nor the data is to blame for."""

    exit_code = 1


class DefinitionError(PerennialError):
    """The definition file, or the command, asks for something that cannot be."""

    exit_code = 2


class SourceError(PerennialError):
    """A source cannot be found, reached or read as what it claims to be."""

    exit_code = 2


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


class DecisionRefused(PerennialError):
    """A version may not be released, rejected or rolled back to as things stand."""

    exit_code = 3


class BuildFailed(PerennialError):
    """A bento cannot be built, or its server does not start."""


class ProofFailed(PerennialError):
    """A bento is not what was approved, or does not answer as it must."""

    exit_code = 3


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, as the end of a message."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(map(repr, known[:12]))
    return f"known: {shown}{', …' if len(known) > 12 else ''}" if known else "there are none"


def first_line(error: BaseException) -> str:
    """Take the first line of what a library says; the rest is for its own users."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
