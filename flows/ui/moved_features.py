"""Since when a feature has been away from the training data, by the monitor's looks.

Responsible for the unbroken run of looks whose alarms name a feature, back from the newest one.
Not responsible for what raises an alarm (`tasks.alarms`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from flows.ui.reading import Reader
from tasks.monitoring.looks import Look

_BLOCK = 8  # looks that are read at first; a bucket takes its time for each


def find_moved(
    reader: Reader, model: str, names: Sequence[str], newest: Look
) -> list[dict[str, Any]]:
    """Find the features that alarms of the newest look name, and the look that each began with.

    A look that compared nothing, or not this feature, ends no run; another champion, which learned
    from other data, ends all. `first` says that the champion's first look found it already: then
    it may have begun before.
    """
    named = [each for each in newest.columns if each.alarm]
    named.sort(key=lambda each: -each.distance * (each.weight + 0.01))
    going = {each.column for each in named}
    since: dict[str, Look] = {}
    for look in _look_back(reader, model, names) if going else ():
        if look.champion != newest.champion:
            break
        alarms = {each.column: each.alarm for each in look.columns}
        going = {name for name in going if alarms.get(name, True)}
        since |= {name: look for name in going if name in alarms}
        if not going:
            break
    return [
        {
            "feature": each.column,
            "since": since[each.column].until.isoformat(),
            "first": each.column in going,
            "distance": each.distance,
        }
        for each in named
    ]


def _look_back(reader: Reader, model: str, names: Sequence[str]) -> Iterator[Look]:
    """Give looks from the newest back, read in blocks that double."""
    end, block = len(names), _BLOCK
    while end:
        start = max(end - block, 0)
        yield from reversed(reader.looks(model, names[start:end]))
        end, block = start, 2 * block
