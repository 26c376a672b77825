"""JSON Schema of what one model takes and answers, for OpenAPI and for BentoML's clients.

Not responsible for reading requests: `request_validation` does, by the same columns.
"""

from typing import Any

import polars as pl

from bentos.columns import Column, integer_range
from bentos.model import Model
from bentos.plain_words import describe_column
from bentos.told import name_told

ASKED = ("Row", "Rows", "Columns")
ANSWERS = {
    "predict": ("Prediction", "Predictions"),
    "explain": ("Explanation", "Explanations"),
}


def describe_schemas(model: Model, place: str) -> dict[str, Any]:
    """Describe rows, answers and refusals by name; they refer to each other under `place`."""
    columns = model.schema.columns
    number: dict[str, Any] = {"type": "number"}
    if model.definition.deviance:
        number["minimum"] = 0
    if model.predictor.classes > 1 and not model.definition.pinball:
        number = _list(number)
    label = describe_told(model, number)
    labels = {name_told(model.definition, many=True): _list(*label.values())} if label else {}
    version = {"version": {"type": "string"}}
    follows = model.definition.serving.follow_base_rate is not None
    corrected: dict[str, Any] = {"correction": {"type": "integer"}} if follows else {}
    values = {each.name: describe_value(each) for each in columns}
    lists = {name: _list(value) for name, value in values.items()}
    return {
        "Row": _object(values, columns),
        "Rows": {
            **_list({"$ref": f"{place}Row"}),
            "minItems": 1,
            "maxItems": model.schema.max_rows,
        },
        "Columns": {
            "type": "object",
            "additionalProperties": False,
            "required": ["columns"],
            "properties": {"columns": _object(lists, columns)},
        },
        "Prediction": _answer({"prediction": number, **label, **version}, corrected),
        "Predictions": _answer({"predictions": _list(number), **labels, **version}, corrected),
        "Explanation": {"type": "object", "required": ["prediction"]},
        "Explanations": _answer(
            {"explanations": _list({"$ref": f"{place}Explanation"}), **version}, corrected
        ),
        "Refusal": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
        },
    }


def describe_told(model: Model, number: dict[str, Any]) -> dict[str, Any]:
    """Describe what is told beside a prediction, a label, an interval or quantiles, by its name."""
    if pinball := model.definition.pinball:
        count, named = len(pinball.levels), ", ".join(map(str, pinball.levels))
        words = f"The {named} quantiles, in this order; `prediction` is the {{}} quantile"
        said = words.format(pinball.levels[pinball.middle])
        return {
            "quantiles": {
                **_list(number),
                "minItems": count,
                "maxItems": count,
                "description": said,
            }
        }
    if model.interval is not None:
        return {"interval": {**_list(number), "minItems": 2, "maxItems": 2}}
    kind = {"binary": "boolean", "multiclass": "string"}.get(model.definition.target.kind)
    return {"label": {"type": kind}} if kind else {}


def any_of(names: tuple[str, ...], place: str) -> dict[str, Any]:
    return {"anyOf": [{"$ref": place + name} for name in names]}


def describe_whole(model: Model, names: tuple[str, ...]) -> dict[str, Any]:
    """Describe what is one of these by a schema that holds all that it refers to."""
    place = "#/$defs/"
    schemas = describe_schemas(model, place)
    inside = {"Rows": "Row", "Explanations": "Explanation"}
    held = {*names, *(inside[name] for name in names if name in inside)}
    return {**any_of(names, place), "$defs": {name: schemas[name] for name in sorted(held)}}


def _object(properties: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [each.name for each in columns if each.required],
        "properties": properties,
    }


def _answer(properties: dict[str, Any], maybe: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": {**properties, **maybe}}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def describe_value(column: Column) -> dict[str, Any]:
    """Describe one column's values; any of them may be missing."""
    dtype = column.dtype
    described: dict[str, Any] = {"type": ["string", "null"]}
    if dtype == pl.Boolean:
        described = {"type": ["boolean", "null"]}
    elif dtype.is_integer():
        least, most = integer_range(dtype)
        described = {"type": ["integer", "null"], "minimum": least, "maximum": most}
    elif dtype.is_numeric():
        described = {"type": ["number", "null"]}
    elif dtype == pl.Null:
        described = {"type": "null"}
    elif isinstance(dtype, pl.Datetime):
        described["format"] = "date-time" if dtype.time_zone else "local date-time"
    elif dtype.is_temporal():
        described["format"] = str(type(dtype).__name__).lower()
    return {**described, "description": describe_column(column)}
