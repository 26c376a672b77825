"""Labels: what a target becomes, and which targets no model can be made of."""

from datetime import UTC, timedelta

import polars as pl
import pytest
from tables import ROWS, START, Project

from tasks.core.columns import MATURED, TARGET, TIME
from tasks.core.errors import DataRefused, DefinitionError
from tasks.preparation.labels import label_rows, settle_target

ID = pl.col("id")


def target(kind: str, value: str = "y") -> str:
    return f"value = \"{value}\"\nkind = '{kind}'"


def labels(made: Project, y: pl.Expr, kind: str, value: str = "y") -> list[float | None]:
    plan, snapshot = made.extract(ROWS.with_columns(y=y), target=target(kind, value))
    settled, _ = settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)
    return (
        label_rows(plan.definition, plan.as_of, snapshot.scan(), settled)
        .select(TARGET)
        .collect()[TARGET]
        .to_list()
    )


@pytest.mark.parametrize(
    "y",
    [ID % 2 == 0, 1 - ID % 2, (1 - ID % 2).cast(pl.Float64), (1 - ID % 2).cast(pl.Decimal(4, 1))],
    ids=["boolean", "integer", "float", "decimal"],
)
def test_binary_target_is_zero_or_one(made: Project, y: pl.Expr) -> None:
    assert labels(made, y, "binary") == [1, 0] * 200


def test_missing_and_nan_targets_are_unknown(made: Project) -> None:
    y = pl.when(ID % 4 == 0).then(None).when(ID % 4 == 1).then(float("nan")).otherwise(ID % 2)
    assert labels(made, y, "binary") == [None, None, 0, 1] * 100
    assert labels(made, y, "regression") == [None, None, 0, 1] * 100
    assert labels(made, y, "multiclass") == [None, None, 0, 1] * 100


def test_classes_are_text_in_order(made: Project) -> None:
    plan, snapshot = made.extract(target=target("multiclass", "c"))
    settled, classes = settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)
    assert classes == ("east", "north", "south", "west")
    found = snapshot.scan().select("c", place=settled).unique().sort("place").collect()
    assert found["c"].to_list() == list(classes)


def test_label_matures_after_its_time_and_only_then_counts(made: Project) -> None:
    rows = ROWS.with_columns(c=pl.when(ID > 376).then(pl.lit("new")).otherwise("c"))
    plan, snapshot = made.extract(rows, target=target("multiclass", "c") + '\nmatures_after = "1d"')
    settled, classes = settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)
    assert "new" not in classes
    rows = (
        label_rows(plan.definition, plan.as_of, snapshot.scan(), settled)
        .filter(pl.col(MATURED))
        .collect()
    )
    last = START + timedelta(hours=375)
    assert rows[TIME].max() == last.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("y", "kind", "said"),
    [
        (ID % 2 + 1, "binary", "neither true nor false .* in 200 rows"),
        (pl.lit(float("inf")), "binary", "neither true nor false .* in 400 rows"),
        (pl.when(ID == 7).then(float("-inf")).otherwise(ID), "regression", "is infinite in 1 rows"),
    ],
)
def test_target_of_odd_values_is_refused(made: Project, y: pl.Expr, kind: str, said: str) -> None:
    with pytest.raises(DataRefused, match=r"^made.toml: \[target\] value: .*" + said):
        labels(made, y, kind)


def test_target_of_too_many_classes_is_refused(made: Project) -> None:
    rows = pl.concat([ROWS] * 3).with_columns(id=pl.int_range(1200), y=pl.int_range(1200))
    plan, snapshot = made.extract(rows, target=target("multiclass"))
    with pytest.raises(DataRefused, match="has 1,200 classes; is it a regression"):
        settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("binary", "c", "gives String for a binary target; write c = 'yes'"),
        ("regression", "c", r"gives String for a regression target; write CAST"),
        ("binary", "yy", "there is no column 'yy'; did you mean 'y'"),
        ("regression", "x - AVG(x)", "is an aggregate"),
        ("regression", "CAST(c AS DOUBLE)", "fails on the data: conversion from `str` to `f64`"),
    ],
)
def test_target_that_cannot_be_computed_is_refused(
    made: Project, kind: str, value: str, said: str
) -> None:
    with pytest.raises(
        DefinitionError, match=r"^made.toml: \[target\] value: .*" + said
    ) as refusal:
        labels(made, pl.col("y"), kind, value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("objective", "least", "said"),
    [("poisson", -1, "is negative in 100 rows"), ("gamma", 0, "is 0 or less in 100 rows")],
)
def test_value_that_the_objective_cannot_take_is_refused_by_rows(
    made: Project, objective: str, least: int, said: str
) -> None:
    values = ROWS.with_columns(y=ID % 4 + least)
    plan, snapshot = made.extract(
        values,
        target=target("regression"),
        **{"training.params": f"objective = '{objective}'"},
    )
    match = rf"made.toml: \[target\] value: {said}, which objective = '{objective}'"
    with pytest.raises(DataRefused, match=match):
        settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)


def test_counts_and_amounts_with_zeros_are_taken(made: Project) -> None:
    for objective in ("poisson", "tweedie"):
        plan, snapshot = made.extract(
            ROWS.with_columns(y=ID % 4),
            target=target("regression"),
            **{"training.params": f"objective = '{objective}'"},
        )
        settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)
