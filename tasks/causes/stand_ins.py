"""Stand-ins: one value that stands where others stood: null, a sentinel, an empty text.

Proposes a value with far more rows than before that means "not known", or that no row had within
its range. Not responsible for whether the alarm is quiet without it (`root_cause`).
"""

import numpy as np
import polars as pl

from tasks.causes.mapping import Mapping, find_standing
from tasks.core.sql import is_text

_MORE = 0.05  # of the rows at least
_TIMES = 4  # as many rows as before: common values come and go with the season
_NUMBERS = {0.0, -1.0, 99.0, 999.0, 9999.0, 99999.0, -9.0, -99.0, -999.0, -9999.0}
_TEXTS = {
    "",
    "-",
    "?",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "null",
    "unknown",
    "missing",
    "undefined",
}
_ALL = 0.98
_COMMON = 5  # values that are looked at
_MOST_BEFORE = 0.3


def propose_stand_ins(name: str, old: pl.Series, new: pl.Series) -> list[Mapping]:
    """Propose what stands in so many new rows where it did not."""
    found = []
    for value in (None, *_find_common(old, new)):
        usual, share = (
            float(find_standing(each, value).sum()) / max(len(each), 1) for each in (old, new)
        )
        if share < usual + _MORE or (value is not None and share < _TIMES * usual):
            continue
        said = f"missing in {share:.1%}" if value is None else f"{_say(value)} in {share:.1%}"
        about = f"{said} of these rows, in {usual:.1%} before"
        mapping = Mapping(kind="stand-in", columns=(name,), about=about)
        missing = float(find_standing(new, None).mean() or 0.0)  # type: ignore[arg-type]
        whole = share + (0.0 if value is None else missing) >= _ALL
        kept = {"value": value, "share": share, "usual": usual, "whole": whole}
        found.append(mapping.model_copy(update=kept))
    return found


def is_everywhere(mapping: Mapping) -> bool:
    """Tell whether a stand-in left no rows that could be asked about."""
    return mapping.kind == "stand-in" and mapping.whole


def _find_common(old: pl.Series, new: pl.Series) -> list[str | float]:
    """Find the commonest new value that can stand for nothing."""
    text = is_text(new.dtype)
    if not (text or new.dtype.is_numeric()):
        return []
    values = new.cast(pl.String if text else pl.Float64).drop_nulls()
    common = values.value_counts(sort=True)[new.name][:_COMMON].to_list()
    if text:
        return [level for level in common if level.strip().lower() in _TEXTS][:1]
    return [number for number in common if number in _NUMBERS or _is_odd(number, old)][:1]


def _is_odd(number: float, old: pl.Series) -> bool:
    """Tell whether a number lies outside of all there were.

    Where one value was common before, that it was converted is likelier.
    """
    numbers = old.cast(pl.Float64).drop_nulls()
    low, high = numbers.min(), numbers.max()
    known = isinstance(low, float) and isinstance(high, float) and low <= number <= high
    return bool(np.isfinite(number)) and not known and _find_largest(old) < _MOST_BEFORE


def _find_largest(column: pl.Series) -> float:
    """Find the share of the commonest value."""
    counts = column.drop_nulls().value_counts(sort=True)
    return float(counts["count"][0]) / len(column) if len(counts) else 0.0


def _say(value: str | float) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"
