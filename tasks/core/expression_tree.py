"""Polars expressions in JSON: read back where no code that came with them may run.

Only the kinds of nodes that are listed here are read: those that look at one row alone and carry no
code. Responsible for that list. Not responsible for columns and types (`sql`).
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.errors import first_line

_FUNCTIONS = {
    *("Abs", "Sign", "Round", "RoundSF", "Floor", "Ceil", "Clip", "Pow", "Log", "Log1p", "Exp"),
    *("Trigonometry", "Atan2", "FillNull", "Coalesce", "Replace", "ReplaceStrict", "Sql"),
    *("MaxHorizontal", "MinHorizontal", "SumHorizontal", "MeanHorizontal", "ToPhysical"),
    *("Boolean", "StringExpr", "TemporalExpr", "ListExpr"),
}
_BOOLEAN = {
    *("IsNull", "IsNotNull", "IsFinite", "IsInfinite", "IsNan", "IsNotNan", "IsBetween", "IsIn"),
    *("IsClose", "AllHorizontal", "AnyHorizontal", "Not"),
}
_NOT_ONE_ROW = {"ConcatVertical", "JsonDecode", "Sample", "Concat"}  # of text and lists
_MEANT = {
    "Agg": "is an aggregate",
    "Len": "counts the rows",
    "Over": "is a window function",
    "Rolling": "is a window function",
    "RollingExpr": "is a window function",
    "Random": "draws at random",
    "Selector": "selects columns by a pattern or a type; name each by pl.col",
    "AnonymousFunction": "calls Python (map_elements, map_batches, fold), which serving never runs;"
    " write it with Polars' own expressions",
}


class BuiltExpression(Frozen):
    """An expression in Polars' JSON, and the file and line of the function that gave it."""

    tree: str
    place: str


class UnfitExpression(ValueError):
    """An expression that does not look at one row alone, carries code, or cannot be read."""


def read_expression(tree: str) -> pl.Expr:
    """Read an expression back; UnfitExpression, which says why, for what may not be.

    >>> read_expression('{"Column":"price"}').meta.root_names()
    ['price']
    """
    try:
        parsed = json.loads(tree)
        for fault in _find_faults(parsed):
            raise UnfitExpression(fault)
        return pl.Expr.deserialize(io.StringIO(tree), format="json")
    except (ValueError, RecursionError, LookupError, AttributeError, TypeError) as error:
        if isinstance(error, UnfitExpression):
            raise
        raise UnfitExpression(f"is no expression: {first_line(error)}") from error
    except pl.exceptions.PolarsError as error:
        raise UnfitExpression(
            f"cannot be read by Polars {pl.__version__}, as another one wrote it; retrain"
        ) from error


def _find_faults(tree: Any) -> Iterator[str]:
    """Walk the nodes and say what is wrong with those that may not be read."""
    if not isinstance(tree, dict) or len(tree) != 1:
        yield _explain(tree if isinstance(tree, str) else "an unknown node")
        return
    ((kind, inside),) = tree.items()
    if kind == "Literal":
        if not {"Dyn", "Scalar"} & set(inside):
            yield "holds a whole column of literals (pl.Series); is_in and replace take a list"
    elif kind == "Cast":
        if "Literal" not in inside["dtype"]:
            yield "casts to a type that depends on another expression"
        yield from _find_faults(inside["expr"])
    elif kind in ("BinaryExpr", "Ternary"):
        parts = ("left", "right") if kind == "BinaryExpr" else ("predicate", "truthy", "falsy")
        for part in parts:
            yield from _find_faults(inside[part])
    elif kind == "Alias":
        yield from _find_faults(inside[0])
    elif kind == "Function":
        yield from _judge_function(inside["function"])
        for each in inside["input"]:
            yield from _find_faults(each)
    elif kind != "Column":
        yield _explain(kind)


def _judge_function(function: Any) -> Iterator[str]:
    name, inside = _first(function)
    if name not in _FUNCTIONS:
        yield _explain(str(name))
        return
    inner, options = _first(inside)
    if name == "Boolean" and inner not in _BOOLEAN:
        yield _explain(str(inner))
    elif name in ("StringExpr", "ListExpr") and inner in _NOT_ONE_ROW:
        yield _explain("Random" if inner == "Sample" else str(inner))
    elif inner == "Strptime" and options[1]["format"] is None:
        yield "guesses a time's format from other rows; give it, as in str.to_datetime('%Y-%m-%d')"


def _first(node: Any) -> tuple[Any, Any]:
    """Give what a node is called, and what it holds, if anything."""
    return next(iter(node.items()), ("", None)) if isinstance(node, dict) else (node, None)


def _explain(kind: str) -> str:
    """Say what a kind of node does, or, of any other, its name as Polars' users write it."""
    if kind in _MEANT:
        return _MEANT[kind]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    return f"uses {name}, which is not known to look at one row alone"
