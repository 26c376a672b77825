"""The row transformation that training and serving share: raw columns in, numbers out.

The same functions run over a snapshot of millions of rows and over the one row of a request, by the
features and the vocabulary that training froze.
"""

from collections.abc import Mapping, Sequence

import polars as pl
from pydantic import Field

from tasks.core.data_sections import Feature
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DefinitionError, StoreError
from tasks.core.expression_tree import BuiltExpression, UnfitExpression, read_expression
from tasks.core.sql import compile_built, expression_type, is_text, quote_name
from tasks.core.sql import compile_expression as compile_expression
from tasks.features.judging_expressions import check_judging, compile_weight

OTHER = 0  # the code of every level that the vocabulary does not hold


class Features(Frozen):
    """Compiled features: what each is, which are categories, and the columns they need.

    `expressions` are SQL by name or, of those that a function of the project gave, the call; these
    are in `built`, so that nobody calls the function again.
    """

    expressions: dict[str, str]
    categories: tuple[str, ...]
    columns: dict[str, str]
    built: dict[str, BuiltExpression] = Field(default={}, exclude_if=lambda built: not built)

    def expression(self, name: str) -> pl.Expr:
        """Give a feature's expression; StoreError where what was published cannot be read."""
        if name not in self.built:
            return pl.sql_expr(self.expressions[name])
        try:
            return read_expression(self.built[name].tree)
        except UnfitExpression as error:
            raise StoreError(f"feature {name!r}, {self.expressions[name]}: {error}") from error


class Vocabulary(Frozen):
    """The levels of each category that training saw often enough, and the classes of the target.

    A level's code is its place counted from 1; `OTHER` is what is rare or was never seen.
    """

    categories: dict[str, tuple[str, ...]]
    classes: tuple[str, ...] = ()


def compile_features(
    definition: Definition,
    schema: pl.Schema,
    origin: str,
    built: Mapping[str, BuiltExpression] = {},
) -> Features:
    """Check every expression against the columns that there are, and settle each feature's kind.

    `built` are those that functions of the project gave, by feature. DefinitionError names the
    section and the expression that is wrong.
    """
    compile_target(definition, schema, origin)
    check_judging(definition, schema, origin)
    given = definition.features or default_features(definition, schema, origin)
    needed: set[str] = set()
    categories = []
    for name, feature in given.items():
        where = f"{origin}: [features] {name}"
        expression = _compile(feature, built.get(name), schema, where)
        needed |= set(expression.meta.root_names())
        dtype = expression_type(expression, schema, where)
        if is_text(dtype):
            categories.append(name)
        elif not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            listed = "" if definition.features else " (to leave it out, list [features])"
            raise DefinitionError(
                f"{where}: gives {dtype}, and a feature must be a number, text or true/false; "
                f"{_part_of(feature, dtype)}{listed}"
            )
    columns = {column: str(schema[column]) for column in sorted(needed)}
    return Features(
        expressions={name: str(feature) for name, feature in given.items()},
        categories=tuple(categories),
        columns=columns,
        built={name: built[name] for name in given if name in built},
    )


def _compile(
    feature: Feature, built: BuiltExpression | None, schema: pl.Schema, where: str
) -> pl.Expr:
    if isinstance(feature, str):
        return compile_expression(feature, schema, where)
    assert built is not None, "a feature's function was not called"
    return compile_built(built, schema, where)


def compile_target(definition: Definition, schema: pl.Schema, origin: str) -> pl.Expr:
    """Compile the target's expression; DefinitionError where its kind of model cannot learn it."""
    where, kind = f"{origin}: [target] value", definition.target.kind
    value = compile_expression(definition.target.value, schema, where)
    dtype = expression_type(value, schema, where)
    simple = dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
    if simple or (kind == "multiclass" and not dtype.is_nested()):
        return value
    meant = {"binary": f"{definition.target.value} = 'yes'", "regression": "CAST(… AS DOUBLE)"}
    hint = meant.get(kind, "one number or text")
    raise DefinitionError(f"{where}: gives {dtype} for a {kind} target; write {hint}")


def default_features(definition: Definition, schema: pl.Schema, origin: str) -> dict[str, Feature]:
    """Take every column but key, time, those of the target, and one that is the weight or group.

    What tells groups apart says nothing of a new one, and would be learned by heart of the others.
    """
    target = compile_target(definition, schema, origin)
    left_out = {definition.extract.time, *definition.extract.key, *target.meta.root_names()}
    told, group = [compile_weight(definition, schema, origin)], definition.training.group
    if group is not None:
        told.append(compile_expression(group, schema, f"{origin}: [training] group"))
    for each in told:
        if each is not None and each.meta.is_column():
            left_out |= set(each.meta.root_names())
    features: dict[str, Feature] = {
        name: quote_name(name) for name in schema if name not in left_out
    }
    if not features:
        raise DefinitionError(f"{origin}: no column is left to be a feature")
    return features


def feature_expressions(features: Features) -> list[pl.Expr]:
    """Give the expressions that turn raw columns into features, text still as text."""
    return [
        features.expression(name).cast(pl.String).alias(name)
        if name in features.categories
        else features.expression(name).alias(name)
        for name in features.expressions
    ]


def encode_expressions(
    features: Features, vocabulary: Vocabulary, schema: Mapping[str, pl.DataType]
) -> list[pl.Expr]:
    """Give the expressions that turn features into the numbers that the model takes.

    A category becomes its code, a missing one stays null. NaN and infinity become null: a
    division by zero is a missing value, in training as in serving.
    """
    return [
        _encode_category(name, vocabulary.categories[name])
        if name in features.categories
        else _encode_number(name, schema[name])
        for name in features.expressions
    ]


def encode(frame: pl.LazyFrame, features: Features, vocabulary: Vocabulary) -> pl.LazyFrame:
    """Turn raw rows into the model's input: one numeric column a feature, in definition order.

    >>> features = Features(
    ...     expressions={"double": "x * 2", "c": "c"}, categories=("c",), columns={}
    ... )
    >>> vocabulary = Vocabulary(categories={"c": ("north", "south")})
    >>> rows = pl.LazyFrame({"x": [1, None], "c": ["south", "never seen"]})
    >>> encode(rows, features, vocabulary).collect().rows()
    [(2, 2), (None, 0)]
    """
    evaluated = frame.select(feature_expressions(features))
    schema = evaluated.collect_schema()
    return evaluated.select(encode_expressions(features, vocabulary, schema))


def learn_levels(counts: pl.DataFrame, rows: int, levels: int) -> tuple[str, ...]:
    """Choose a category's levels from its value counts (`level`, `count`): frequent first.

    `rows` is how many rows a level needs at least, `levels` how many are kept at most.

    >>> counts = pl.DataFrame({"level": ["a", "b", "c"], "count": [3, 9, 1]})
    >>> learn_levels(counts, rows=2, levels=10)
    ('b', 'a')
    """
    kept = counts.filter(pl.col("level").is_not_null() & (pl.col("count") >= rows))
    return tuple(kept.sort(["count", "level"], descending=[True, False])["level"].head(levels))


def _encode_category(name: str, levels: Sequence[str]) -> pl.Expr:
    column = pl.col(name)
    if not levels:
        return pl.when(column.is_not_null()).then(pl.lit(OTHER, pl.Int32)).alias(name)
    # Polars looks levels up as it streams; of a `replace` it would keep the whole table in memory.
    codes = column.cast(pl.Enum(levels), strict=False).to_physical().cast(pl.Int32) + 1
    other = pl.when(column.is_not_null()).then(pl.lit(OTHER, pl.Int32))
    return pl.coalesce(codes, other).alias(name)


def _encode_number(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Int8)
    if dtype.is_float():
        return pl.when(column.is_finite()).then(column).alias(name)
    if dtype.is_decimal() or dtype in (pl.Int128, pl.UInt64):
        return column.cast(pl.Float64)
    return column


def _part_of(feature: Feature, dtype: pl.DataType) -> str:
    if not isinstance(feature, str):
        return "make one of it in the function"
    if isinstance(dtype, pl.Duration):
        return "subtract seconds, as in DATE_PART('epoch', a) - DATE_PART('epoch', b)"
    if not dtype.is_temporal():
        return "make one of it in [extract] query"
    part = "month" if dtype == pl.Date else "hour"
    return f"take a part of it, as in DATE_PART('{part}', {feature})"
