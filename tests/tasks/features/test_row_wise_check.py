"""On the data itself, a value that depends on other rows is refused with its function's place."""

import polars as pl
import pytest
from tables import ROWS

from tasks.core.errors import DefinitionError
from tasks.core.expression_tree import BuiltExpression
from tasks.features.row_wise_check import hold_row_wise
from tasks.features.transform import Features


class Leaky(Features):
    """Features whose expression passed for row-wise and is not."""

    def expression(self, name: str) -> pl.Expr:
        return pl.col("x").shift() if name == "late" else super().expression(name)


def make_features(kind: type[Features]) -> Features:
    built = BuiltExpression(tree='{"Column":"x"}', place="churn/features.py:7")
    return kind(
        expressions={"late": "f()", "k": "k"}, categories=(), columns={}, built={"late": built}
    )


def test_row_wise_features_pass() -> None:
    hold_row_wise(make_features(Features), ROWS.lazy(), "made.toml")


def test_the_feature_whose_values_differ_is_named() -> None:
    said = r"made.toml: \[features\] late: churn/features.py:7: .* depends on other rows"
    with pytest.raises(DefinitionError, match=said):
        hold_row_wise(make_features(Leaky), ROWS.lazy(), "made.toml")
