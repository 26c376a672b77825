"""The OpenAPI document of the service as it answers now, with a real row for each shape.

Responsible for paths, examples and refusals. What rows and answers are made of is `json_schema`'s.
"""

import json
from typing import Any

from bentos.json_schema import ANSWERS, ASKED, any_of, describe_schemas
from bentos.model import Model
from bentos.snippets import ARROW, write_snippets

JSON = "application/json"
_TOLD = {  # beside a label
    "interval": ", or `interval`, a list of its two ends",
    "quantiles": ", or `quantiles`, a list of them all, of which `prediction` is the middle one",
}
_PLACE = "#/components/schemas/"
_REFUSALS = {
    "400": "The body is not what the schema says; `field` names what is wrong",
    "401": "A bearer token is needed, or this one is wrong",
    "413": "The body or its number of rows is too large",
    "415": "The content type is not understood",
    "429": "Too many requests at once; try again",
    "504": "The answer took too long",
}


def describe_api(model: Model, token: bool) -> dict[str, Any]:
    """Write the OpenAPI document of the service as it answers now."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": model.name,
            "version": model.version,
            "description": model.definition.description,
        },
        "paths": {
            "/predict": {"post": _predict(model, token)},
            "/explain": {"post": _operation(model, "explain", "Explain predictions")},
            "/model": {"get": _look("The version that answers, its metrics and lineage")},
            "/livez": {"get": _look("Whether the process is alive")},
            "/readyz": {"get": _look("Whether a model answers, and what the next one lacks")},
            "/metrics": {"get": _look("Counters for Prometheus", "text/plain")},
        },
        "components": {"schemas": describe_schemas(model, _PLACE)},
    }
    if token:
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}]
    return document


def _predict(model: Model, token: bool) -> dict[str, Any]:
    operation = _operation(model, "predict", "Predict rows")
    stream = {"schema": {"type": "string", "format": "binary"}}
    for said in (operation["requestBody"], operation["responses"]["200"]):
        said["content"][ARROW] = stream
    operation["description"] = (
        "As JSON: one row, a list of rows, or an object of columns. As an Arrow IPC stream, not "
        f"compressed, with the columns of a row (`{ARROW}`): the answer is a stream, too, with "
        f"`prediction` and, but for a regression, `label`{_TOLD.get(model.told, '')}."
    )
    if snippets := write_snippets(model, token):
        operation["x-codeSamples"] = snippets
    return operation


def _operation(model: Model, name: str, summary: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"schema": any_of(ASKED, _PLACE)}
    if model.examples:
        asked["examples"] = _examples([json.loads(each) for each in model.examples])
    given = {JSON: {"schema": any_of(ANSWERS[name], _PLACE)}}
    refusal = {JSON: {"schema": {"$ref": f"{_PLACE}Refusal"}}}
    return {
        "operationId": name,
        "tags": ["Ask"],
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: asked}},
        "responses": {
            "200": {"description": "The answer", "content": given},
            **{code: {"description": text, "content": refusal} for code, text in _REFUSALS.items()},
        },
    }


def _examples(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Show real rows in each shape that a body may have."""
    table = {"columns": {name: [row[name] for row in rows] for name in rows[0]}}
    return {
        "row": {"summary": "One row", "value": rows[0]},
        "rows": {"summary": "A list of rows", "value": rows},
        "columns": {"summary": "An object of columns", "value": table},
    }


def _look(summary: str, kind: str = JSON) -> dict[str, Any]:
    return {
        "tags": ["Look"],
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {kind: {}}},
            "401": {"description": _REFUSALS["401"], "content": {JSON: {}}},
        },
    }
