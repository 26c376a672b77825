"""Rows that are alike in all but their target, which a hash of whole rows keeps on one side.

A table of few, coarse columns has a dozen kinds of rows, and a split by kinds is none at random: a
share of .2 may come to .4, and a whole kind is judged that no training row is of. A number for each
row splits it row by row. A file that was loaded twice is no such table: there, the targets are
alike as well, and copies belong on one side. Not responsible for the split (`preparation`).
"""

from collections.abc import Collection

import polars as pl

from tasks.core.definition import Definition, Frozen

_ROWS = 200_000  # the first ones; of so many, whole rows are hashed in a second or two
_ALIKE = 0.5  # kinds of rows to one row, at most
_CONTRADICT = 1.05  # kinds of rows with their target to kinds without, at least


class Likeness(Frozen):
    """How many rows were looked at, of how many kinds: in all but the target, and with it."""

    rows: int
    kinds: int
    with_target: int

    @property
    def is_coarse(self) -> bool:
        """Whether the rows are of few kinds whose targets contradict each other."""
        few = 0 < self.kinds <= _ALIKE * self.rows
        return few and self.with_target >= _CONTRADICT * self.kinds


def count_kinds(rows: pl.LazyFrame, target: Collection[str]) -> Likeness:
    """Count the kinds of the first rows; `target` are the columns that it is made of."""
    names = rows.collect_schema().names()
    others = [name for name in names if name not in target] or names
    kinds, both = (pl.struct(each).hash().n_unique() for each in (others, names))
    counted = rows.head(_ROWS).select(rows=pl.len(), kinds=kinds, with_target=both)
    return Likeness.model_validate(counted.collect().row(0, named=True))


def explain_kinds(found: Likeness, target: str) -> str:
    """Say what a table of few kinds of rows is."""
    first = "the first " if found.rows == _ROWS else ""
    return f"{first}{found.rows:,} rows are of {found.kinds:,} kinds, alike in all but {target}"


def hint_at_kinds(definition: Definition, rows: pl.LazyFrame) -> str:
    """Say what a split by a hash of whole rows does to such a table; nothing of any other."""
    made_of = pl.sql_expr(definition.target.value).meta.root_names()
    found = count_kinds(rows, made_of)
    if not found.is_coarse:
        return ""
    named = " and ".join(map(repr, made_of))
    return (
        f"{explain_kinds(found, named)}, and without a key all rows of a kind are on one side of "
        "the split: the holdout is no sample of them; give [extract] key a column that differs in "
        "every row, as ROW_NUMBER() OVER () AS row_number in [extract] query"
    )
