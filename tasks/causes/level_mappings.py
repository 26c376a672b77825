"""Mappings of levels: text that is written otherwise now, and single levels that were renamed.

Proposes pairs of old and new levels: by spelling, or else by share, where as much vanished as
arrived. Not responsible for whether the alarm is quiet then (`root_cause`).
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Pairs
from itertools import pairwise

import numpy as np
import polars as pl

from tasks.causes.mapping import Mapping
from tasks.core.wording import list_few

_LEAST, _FEWEST = 0.005, 10  # share and count of a level that is worth a name
_VANISHED = 0.1  # of its share may be left of a level
_APART = 1.3  # times its share that the next level must have, or which is which is a guess
_MOST_PAIRS = 3  # by share alone
_EXPLAINED = 0.9  # of what arrived
_SIGMAS, _SLACK = 4.0, 0.3  # by how much shares may differ
_NAMED = 3

_STYLES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("written in lower case", str.lower),
    ("written in upper case", str.upper),
    ("written in title case", str.title),
    ("written with a space at the end", lambda level: f"{level} "),
    ("written with a space before", lambda level: f" {level}"),
    ("written without the spaces around", str.strip),
    ("written without spaces", lambda level: level.replace(" ", "")),
    ("written without leading zeros", lambda level: level.lstrip("0")),
    ("written with _ for spaces", lambda level: level.replace(" ", "_")),
    ("written with - for spaces", lambda level: level.replace(" ", "-")),
)


def propose_levels(name: str, old: pl.Series, new: pl.Series) -> list[Mapping]:
    """Propose how a column's old levels are called now, by spelling first."""
    was, is_ = _count(old), _count(new)
    arrived = {level: count for level, count in is_.items() if level not in was}
    if sum(arrived.values()) < max(_FEWEST, _LEAST * len(new)):
        return []
    for about, pairs in _spell(was, arrived):
        if _explains(pairs, was, is_, arrived, (len(old), len(new))):
            said = f"{about}: {_say(pairs, is_)}"
            return [Mapping(kind="levels", columns=(name,), about=said, levels=pairs)]
    pairs = _pair_by_share(was, is_, arrived, (len(old), len(new)))
    if not pairs:
        return []
    said = f"renamed: {_say(pairs, is_)}"
    return [Mapping(kind="levels", columns=(name,), about=said, levels=pairs)]


def _spell(was: Pairs[str, int], arrived: Pairs[str, int]) -> Iterator[tuple[str, dict[str, str]]]:
    """Try each style, then what is put before or after a level."""
    for about, style in _STYLES:
        spelt = {style(old): old for old in was if style(old) != old}
        yield about, {spelt[new]: new for new in arrived if new in spelt}
    for about, affix in _find_affixes(was, arrived):
        before, after = affix
        pairs = {
            new.removeprefix(before).removesuffix(after): new
            for new in arrived
            if new.startswith(before) and new.endswith(after)
        }
        yield about, {old: new for old, new in pairs.items() if old in was}


def _find_affixes(
    was: Pairs[str, int], arrived: Pairs[str, int]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Find what the commonest new level has before or after an old one."""
    new = max(arrived, key=arrived.__getitem__)
    for old in sorted((each for each in was if each and each in new), key=len, reverse=True):
        before, _, after = new.partition(old)
        if bool(before) != bool(after):
            where = "before" if before else "after"
            yield f"written with {before or after!r} {where} it", (before, after)


def _explains(
    pairs: Pairs[str, str],
    was: Pairs[str, int],
    is_: Pairs[str, int],
    arrived: Pairs[str, int],
    rows: tuple[int, int],
) -> bool:
    """Tell whether pairs explain what arrived, with about the shares that there were."""
    if sum(arrived[new] for new in pairs.values()) < _EXPLAINED * sum(arrived.values()):
        return False
    large = {old: was[old] for old in pairs if was[old] >= max(_FEWEST, _LEAST * rows[0])}
    alike = sum(
        count
        for old, count in large.items()
        if _are_alike(count, is_[pairs[old]] + is_.get(old, 0), rows)
        and is_.get(old, 0) <= _VANISHED * is_[pairs[old]]
    )
    return bool(large) and alike >= _EXPLAINED * sum(large.values())


def _pair_by_share(
    was: Pairs[str, int], is_: Pairs[str, int], arrived: Pairs[str, int], rows: tuple[int, int]
) -> dict[str, str]:
    """Pair levels that vanished with those that arrived, where shares leave no doubt."""
    gone = {
        level: count
        for level, count in was.items()
        if count >= max(_FEWEST, _LEAST * rows[0])
        and is_.get(level, 0) / rows[1] <= _VANISHED * count / rows[0]
    }
    came = {level: count for level, count in arrived.items() if count >= _LEAST * rows[1]}
    if not came or len(gone) != len(came) or len(came) > _MOST_PAIRS:
        return {}
    if sum(came.values()) < _EXPLAINED * sum(arrived.values()):
        return {}
    old, new = (sorted(each, key=each.__getitem__, reverse=True) for each in (gone, came))
    ordered = [[gone[level] for level in old], [came[level] for level in new]]
    if any(_are_close(each) for each in ordered):
        return {}
    alike = [_are_alike(gone[one], came[other], rows) for one, other in zip(old, new, strict=True)]
    return dict(zip(old, new, strict=True)) if all(alike) else {}


def _are_alike(old: int, new: int, rows: tuple[int, int]) -> bool:
    """Tell whether two counts are about the same share of their rows."""
    was, is_ = old / rows[0], new / rows[1]
    noise = np.sqrt(was * (1 - was) * (1 / rows[0] + 1 / rows[1]))
    return bool(abs(is_ - was) <= max(_SIGMAS * noise, _SLACK * was))


def _are_close(counts: Sequence[int]) -> bool:
    return any(one < _APART * other for one, other in pairwise(counts))


def _count(column: pl.Series) -> dict[str, int]:
    counted = column.cast(pl.String).drop_nulls().value_counts(sort=True)
    return {str(level): int(count) for level, count in counted.iter_rows()}


def _say(pairs: Pairs[str, str], is_: Pairs[str, int]) -> str:
    ranked = sorted(pairs, key=lambda old: -is_[pairs[old]])
    return list_few([f"{old!r} is {pairs[old]!r} now" for old in ranked], _NAMED)
