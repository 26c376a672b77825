"""Python source for feature expressions: what a node of a Polars expression is in plain Python.

Only what is known to give the same value, bit by bit, is translated; `Unknown` is raised for all
else. Not responsible for running it: `row_compiler` does.
"""

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from bentos.columns import integer_range

_CALENDAR = {
    "Year": "{}.year",
    "Month": "{}.month",
    "Day": "{}.day",
    "Hour": "{}.hour",
    "Minute": "{}.minute",
    "WeekDay": "{}.isoweekday()",
    "OrdinalDay": "{}.timetuple().tm_yday",
}
_ARITHMETIC = {"Plus": "+", "Minus": "-", "Multiply": "*", "Add": "+", "Sub": "-", "Mul": "*"}
_DIVISION = {
    "IntDiv": "quotient({}, {})",
    "Rem": "remainder({}, {})",
    "FloorDivide": "({} // {})",
    "Modulus": "({} % {})",
}

# The same for a plain column and a divisor above zero, without a call: rounded towards zero.
_BY_SIZE = {
    "IntDiv": "({0} // {1} if {0} >= 0 else -(-{0} // {1}))",
    "Rem": "({0} % {1} if {0} >= 0 else -(-{0} % {1}))",
}


class Unknown(Exception):
    """An expression that only Polars can evaluate."""


class ExpressionTranslator:
    """Writes Python for the nodes of Polars expressions over columns of known types."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self.schema = schema
        self.places = {name: f"c{n}" for n, name in enumerate(schema)}
        self.constants: dict[str, Any] = {}

    def text_column(self, tree: Any) -> str:
        name = tree.get("Column") if isinstance(tree, dict) else None
        if name is None or self.schema[name] != pl.String:
            raise Unknown
        return self.places[name]

    def number(self, tree: Any) -> str:
        """Write one feature: its value, or NaN where it is missing."""
        dtype = self._type(tree)
        if "Column" in tree:
            value = self._column(tree["Column"], pl.Boolean, pl.Float32)
        else:
            value = self._value(tree)
            value = f"finite({value})" if dtype.is_float() else value
        used = sorted(self._columns(tree))
        missing = " or ".join([f"{place} is None" for place in used] + self._zeros(tree))
        return f"(nan if {missing} else {value})" if missing else value

    def find_singles(self, trees: Sequence[Any]) -> list[int]:
        """Tell which features are columns of 32 bits; arithmetic on those is left to Polars."""
        return [place for place, tree in enumerate(trees) if self._type(tree) == pl.Float32]

    def _value(self, tree: Any) -> str:
        kind, inside = next(iter(tree.items()))
        if kind == "Column":
            return self._column(inside)
        if kind == "Literal":
            return self._literal(tree)
        operator, inputs = _read_operation(tree)
        if operator is not None:
            return self._operation(tree, operator, inputs)
        if kind == "Function" and "TemporalExpr" in inside["function"]:
            return self._calendar(inside["function"]["TemporalExpr"], inputs)
        raise Unknown

    def _column(self, name: str, *others: type[pl.DataType]) -> str:
        dtype = self.schema[name]
        exact = dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128)
        if not (exact or dtype == pl.Float64 or dtype in others):
            raise Unknown
        return self.places[name]

    def _literal(self, tree: Any) -> str:
        value = pl.select(_expression(tree)).item()
        if type(value) not in (int, float) or not math.isfinite(value):
            raise Unknown
        return f"({value!r})"

    def _operation(self, tree: Any, operator: str, inputs: list[Any]) -> str:
        left, right = map(self._value, inputs)
        dtype = self._type(tree)
        if operator in _ARITHMETIC:
            value = f"({left} {_ARITHMETIC[operator]} {right})"
        elif operator in _DIVISION and dtype.is_integer():
            value = _DIVISION[operator].format(left, right)
            if operator in _BY_SIZE and left.isidentifier() and self._range(inputs[1])[0] > 0:
                value = _BY_SIZE[operator].format(left, right)
        elif operator in ("Div", "TrueDivide") and dtype == pl.Float64:
            return f"(float({left}) / float({right}))"
        else:
            raise Unknown
        if dtype.is_integer():
            least, most = integer_range(dtype)
            lowest, highest = self._span(operator, *map(self._range, inputs))
            fits = least <= lowest and highest <= most
            return value if fits else f"fit({value}, {least}, {most})"
        if dtype != pl.Float64:
            raise Unknown
        return value

    def _range(self, tree: Any) -> tuple[float, float]:
        """Give the least and most that a whole number can be, as far as that is known."""
        operator, inputs = _read_operation(tree)
        dtype = self._type(tree)
        if "Literal" in tree:
            value = pl.select(_expression(tree)).item()
            return value, value
        if not dtype.is_integer():
            return -math.inf, math.inf
        least, most = integer_range(dtype)
        if operator is None:
            return least, most
        lowest, highest = self._span(operator, *map(self._range, inputs))
        return max(least, lowest), min(most, highest)

    def _span(
        self, operator: str, one: tuple[float, float], other: tuple[float, float]
    ) -> tuple[float, float]:
        """Give the range of an operation on two ranges, or all numbers where that is not known."""
        sign = _ARITHMETIC.get(operator)
        if sign == "+":
            return one[0] + other[0], one[1] + other[1]
        if sign == "-":
            return one[0] - other[1], one[1] - other[0]
        if sign == "*":
            products = [a * b for a in one for b in other]
            return min(products), max(products)
        if operator in _BY_SIZE and other[0] > 0:
            most = max(abs(one[0]), abs(one[1]))
            most = most // other[0] if operator == "IntDiv" else min(most, other[1] - 1)
            return (-most if one[0] < 0 else 0), most
        return -math.inf, math.inf

    def _calendar(self, part: Any, inputs: list[Any]) -> str:
        if not isinstance(part, str) or part not in _CALENDAR or len(inputs) != 1:
            raise Unknown
        return _CALENDAR[part].format(self._moment(inputs[0]))

    def _moment(self, tree: Any) -> str:
        """Write a time in UTC, or without a zone: a column, or a fixed while before or after."""
        kind, inside = next(iter(tree.items()))
        if kind == "Column":
            dtype = self.schema[inside]
            if not isinstance(dtype, pl.Datetime) or dtype.time_zone not in (None, "UTC"):
                raise Unknown
            place = self.places[inside]
            return f"utc({place})" if dtype.time_zone else place
        if kind == "Function" and inside["function"] == {"TemporalExpr": "OffsetBy"}:
            moment, by = inside["input"]
            name = f"constant{len(self.constants)}"  # it is the same for all rows
            self.constants[name] = _read_offset(pl.select(_expression(by)).item())
            return f"({self._moment(moment)} + {name})"
        raise Unknown

    def _zeros(self, tree: Any) -> list[str]:
        """List the divisors whose being zero makes the value a missing one."""
        operator, inputs = _read_operation(tree)
        found = [zero for each in inputs for zero in self._zeros(each)]
        if operator in (*_DIVISION, "Div", "TrueDivide") and self._may_be_zero(inputs[1]):
            found.append(f"{self._value(inputs[1])} == 0")
        return found

    def _may_be_zero(self, tree: Any) -> bool:
        least, most = self._range(tree)
        return least <= 0 <= most

    def _columns(self, tree: Any) -> set[str]:
        return {self.places[name] for name in _expression(tree).meta.root_names()}

    def _type(self, tree: Any) -> Any:
        frame = pl.LazyFrame(schema=self.schema)
        return frame.select(_expression(tree).alias("value")).collect_schema()["value"]


def read_tree(expression: pl.Expr) -> Any:
    """Give the tree of an expression as Polars writes it in JSON."""
    return json.loads(expression.meta.serialize(format="json"))


def _read_operation(tree: Any) -> tuple[str | None, list[Any]]:
    """Give an operator's name, None for what has none, and what it is applied to."""
    kind, inside = next(iter(tree.items()))
    if kind == "BinaryExpr":
        return inside["op"], [inside["left"], inside["right"]]
    if kind == "Function":
        function = inside["function"]
        return function["Sql"].get("Binary") if "Sql" in function else None, inside["input"]
    return None, []


def _expression(tree: Any) -> pl.Expr:
    return pl.Expr.deserialize(io.StringIO(json.dumps(tree)), format="json")


def _read_offset(text: Any) -> timedelta:
    """Read an interval as Polars writes it: seconds; days and months are as a calendar says."""
    if not re.fullmatch(r"-?\d+s", str(text)):
        raise Unknown
    return timedelta(seconds=int(text[:-1]))
