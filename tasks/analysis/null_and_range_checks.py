"""Checks of single columns: share of nulls and infinities, type, range, and listed values.

Each column is held to its own rule in [checks.columns]. Not responsible for features and labels.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.analysis.column_facts import ColumnFacts
from tasks.analysis.profile import Profile
from tasks.core.checks import Check, share_at_most
from tasks.core.data_sections import ColumnCheck
from tasks.core.errors import nearest


def check_columns(
    rules: Mapping[str, ColumnCheck], rows: pl.LazyFrame, profile: Profile
) -> Iterator[Check]:
    """Check the columns that the contract names, each against its rule.

    The share of nulls counts NaN too. Of limits and lists, the share of rows that break them is
    checked; a missing value breaks none.
    """
    schema, counts = rows.collect_schema(), _count_broken(rules, rows)
    for name, rule in rules.items():
        if name not in schema:
            detail = f"there is no column {name!r}; {nearest(name, schema)}"
            yield Check(name=f"column {name!r}", passed=False, detail=detail)
            continue
        facts, kind = profile.columns[name].facts, type_of(schema[name])
        wanted = _wanted_kind(rule)
        if wanted is not None:
            detail = f"column {name!r} is {kind}, must be {wanted}"
            yield Check(name=f"type of {name!r}", passed=kind == wanted, detail=detail)
        nulls = facts.nulls + facts.nans
        yield share_at_most(f"nulls of {name!r}", nulls, facts.rows, rule.nulls, "lack a value")
        if facts.infinite or "infinite" in rule.model_fields_set:
            yield check_infinity(name, rule, facts)
        for what, count in counts.get(name, {}).items():
            allowed = rule.unseen if what.startswith("unlisted") else rule.outside
            yield share_at_most(f"{what} of {name!r}", count, facts.rows, allowed, f"are {what}")


def check_infinity(name: str, rule: ColumnCheck, facts: ColumnFacts) -> Check:
    """Check the share of infinite values in a column."""
    what = f"hold infinity in column {name!r}"
    return share_at_most(f"infinity of {name!r}", facts.infinite, facts.rows, rule.infinite, what)


def _count_broken(
    rules: Mapping[str, ColumnCheck], rows: pl.LazyFrame
) -> dict[str, dict[str, int]]:
    """Count in one pass what breaks the rules of columns that are of the kind they must be."""
    schema = rows.collect_schema()
    broken = {
        name: _broken_rules(name, rule, schema[name])
        for name, rule in rules.items()
        if name in schema and _wanted_kind(rule) in (None, type_of(schema[name]))
    }
    counted = [pl.struct(each).alias(name) for name, each in broken.items() if each]
    return rows.select(counted).collect().row(0, named=True) if counted else {}


def _wanted_kind(rule: ColumnCheck) -> str | None:
    limited = rule.min is not None or rule.max is not None
    return rule.type or ("number" if limited else None)


def _broken_rules(name: str, rule: ColumnCheck, dtype: pl.DataType) -> list[pl.Expr]:
    column = pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)
    broken = []
    if rule.min is not None:
        broken.append((column < rule.min).sum().alias(f"below {rule.min:g}"))
    if rule.max is not None:
        broken.append((column > rule.max).sum().alias(f"above {rule.max:g}"))
    if rule.values is not None:
        listed = column.cast(pl.String).is_in(list(rule.values))
        broken.append((~listed).sum().alias("unlisted values"))
    return broken


def type_of(dtype: pl.DataType) -> str:
    """Name a column's type as a rule does: number, boolean, time or text.

    >>> [type_of(dtype) for dtype in (pl.Decimal(9, 2), pl.Boolean(), pl.Date(), pl.Categorical())]
    ['number', 'boolean', 'time', 'text']
    """
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    return "time" if dtype.is_temporal() else "text"
