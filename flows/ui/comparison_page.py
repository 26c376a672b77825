"""The page that sets two versions of a model against each other: what `perennial diff` tells.

Each comparison is made in a process of its own, which keeps LightGBM and Polars out of the page's
memory, one after the other, and is made once: versions never change. Only where there was a reason
for no numbers it is asked again, for that may be mended. Not responsible for what is compared.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any

from flows.ui.model_page import get_published
from flows.ui.part_process import ask_process
from flows.ui.reading import Reader
from tasks.core.errors import StoreError
from tasks.registry.forgotten import read_records
from tasks.registry.versions import Published

_KEPT = 50  # about 20 KB each


class NotCompared(StoreError):
    """The comparison's process ended without one: both versions are there, and cannot be read."""


class Comparisons:
    """All comparisons that the page was asked for lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], dict[str, Any]] = OrderedDict()
        self._turn = Lock()

    def describe(self, reader: Reader, model: str, before: str, after: str) -> dict[str, Any]:
        """Compare two versions, or recall what was found."""
        pair = [get_published(reader, model, each) for each in (before, after)]
        forgotten = len(read_records(reader.store, model))  # what is kept may show their rows
        key = pair[0].digest, pair[1].digest, forgotten
        with self._turn:
            found = self._kept.get(key) or compare(reader.store.root, model, *pair)
            if not found["answers"]["reason"]:
                self._kept[key] = found
                self._kept.move_to_end(key)
            for old in [each for each in self._kept if each[:2] == key[:2] and each != key]:
                del self._kept[old]
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def compare(root: str, model: str, before: Published, after: Published) -> dict[str, Any]:
    """Run `perennial diff` to its end; NotCompared with what it said where it failed."""
    words = ("diff", model, before.version, after.version, "--json")
    what = f"{model}: the comparison's process"
    found = ask_process(what, "flows.cli", *words, PERENNIAL_ROOT=root)
    if "error" in found:
        raise NotCompared(found["error"])
    return found
