"""Labels: the target as a number, and whether it is known yet (label maturity).

Not responsible for what rows are used for; no row is left out here.
"""

from datetime import datetime

import polars as pl

from tasks.core.columns import MATURED, ROW, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.deviances import Deviance
from tasks.core.errors import DataRefused, DefinitionError, first_line
from tasks.core.model_sections import TargetKind
from tasks.core.timestamps import UTC_TIME
from tasks.features.transform import compile_target
from tasks.sources.query import event_time

_MOST_CLASSES = 1000


def settle_target(
    definition: Definition, as_of: datetime | None, rows: pl.LazyFrame, origin: str
) -> tuple[pl.Expr, tuple[str, ...]]:
    """Turn the target into a number: 0 and 1, the place of a class, or the value itself.

    Rows whose label has not matured have no say in what is a class or an odd value.
    """
    where = f"{origin}: [target] value"
    value = compile_target(definition, rows.collect_schema(), origin)
    matured = rows.filter(_clock(definition, as_of, rows)[1])
    try:
        if definition.target.kind == "multiclass":
            return _settle_classes(value, matured, where)
        number = _settle_number(definition.target.kind, value, matured, where)
        if definition.deviance is not None:
            _refuse_negative(definition.deviance, number, matured, where)
        return number, ()
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"{where}: fails on the data: {first_line(error)}") from error


def label_rows(
    definition: Definition, as_of: datetime | None, rows: pl.LazyFrame, target: pl.Expr
) -> pl.LazyFrame:
    """Add row number, event time, target (null where unknown) and whether the label has matured."""
    time, matured = _clock(definition, as_of, rows)
    added = (time.alias(TIME), target.alias(TARGET), matured.alias(MATURED))
    return rows.with_row_index(ROW).with_columns(added)


def _clock(
    definition: Definition, as_of: datetime | None, rows: pl.LazyFrame
) -> tuple[pl.Expr, pl.Expr]:
    """Give the event time, and whether a label has matured by as-of."""
    time = event_time(definition, rows.collect_schema())
    if time is None or as_of is None:
        return pl.lit(None, UTC_TIME), pl.lit(True)
    known_by = as_of - definition.target.matures_after
    return time, (time <= known_by).fill_null(False)


def _settle_classes(
    value: pl.Expr, matured: pl.LazyFrame, where: str
) -> tuple[pl.Expr, tuple[str, ...]]:
    plain = matured.select(value).collect_schema().dtypes()[0]
    text = (value.fill_nan(None) if plain.is_float() else value).cast(pl.String)
    classes = tuple(matured.select(text.unique().drop_nulls().sort()).collect().to_series())
    if len(classes) > _MOST_CLASSES:
        raise DataRefused(f"{where}: has {len(classes):,} classes; is it a regression?")
    return text.cast(pl.Enum(classes), strict=False).to_physical().cast(pl.Int32), classes


def _settle_number(kind: TargetKind, value: pl.Expr, matured: pl.LazyFrame, where: str) -> pl.Expr:
    number = value.cast(pl.Float64).fill_nan(None)
    odd = ~number.is_in([0.0, 1.0]) if kind == "binary" else number.is_infinite()
    count = matured.select(odd.sum()).collect().item()
    if count:
        rule = "is neither true nor false (1 or 0)" if kind == "binary" else "is infinite"
        raise DataRefused(f"{where}: {rule} in {count:,} rows; say what they mean, by CASE")
    return number


def _refuse_negative(
    deviance: Deviance, number: pl.Expr, matured: pl.LazyFrame, where: str
) -> None:
    """Refuse values that the objective has no likelihood for: LightGBM would stop on one row."""
    odd, rule = (number < 0, "negative") if deviance.takes_zero else (number <= 0, "0 or less")
    count = matured.select(odd.sum()).collect().item()
    if count:
        raise DataRefused(
            f"{where}: is {rule} in {count:,} rows, which objective = '{deviance.objective}' of "
            "[training.params] cannot take; make it NULL there, by CASE, or take another objective"
        )
