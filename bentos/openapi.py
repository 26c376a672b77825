"""The OpenAPI document of the service, and an HTML page of it that needs no network.

Both are made from the model's columns. The page is a format string, escaped here: Jinja2 or a
template file would be one more thing that every bento has to carry.
"""

from html import escape
from typing import Any

from bentos.json_schema import ANSWERS, ASKED, any_of, describe_schemas
from bentos.model import Model

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
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
            "/predict": {"post": _operation("predict", "Predict rows", arrow=True)},
            "/explain": {"post": _operation("explain", "Explain predictions", arrow=False)},
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


def _operation(name: str, summary: str, arrow: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {JSON: {"schema": any_of(ASKED, _PLACE)}}
    given: dict[str, Any] = {JSON: {"schema": any_of(ANSWERS[name], _PLACE)}}
    if arrow:
        asked[ARROW] = given[ARROW] = {"schema": {"type": "string", "format": "binary"}}
    refusal = {JSON: {"schema": {"$ref": f"{_PLACE}Refusal"}}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": asked},
        "responses": {
            "200": {"description": "The answer", "content": given},
            **{code: {"description": text, "content": refusal} for code, text in _REFUSALS.items()},
        },
    }


def _look(summary: str, kind: str = JSON) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {kind: {}}},
            "401": {"description": _REFUSALS["401"], "content": {JSON: {}}},
        },
    }


def draw_page(model: Model) -> str:
    """Draw the columns and ways to ask as one page without scripts, styles or fonts from afar."""
    rows = "".join(
        f"<tr><td><code>{escape(each.name)}</code></td><td>{escape(str(each.dtype))}</td>"
        f"<td>{'needed' if each.required else 'for the log'}</td></tr>"
        for each in model.schema.columns
    )
    names = "".join(f'"{each.name}": …, ' for each in model.schema.columns[:3])
    return _PAGE.format(
        name=escape(model.name),
        version=escape(model.version),
        description=escape(model.definition.description),
        rows=rows,
        example=escape(f"{{{names}…}}"),
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem 1rem .2rem 0; text-align: left; }}
code, pre {{ font-family: ui-monospace, monospace; }} pre {{ background: #f3f3f3; padding: .6rem; }}
</style></head><body>
<h1>{name}</h1><p>{description}</p><p>Version <code>{version}</code></p>
<h2>Ask</h2>
<p><code>POST /predict</code> or <code>POST /explain</code> with <code>application/json</code>:</p>
<pre>one row   {example}
rows      [{{…}}, {{…}}]
columns   {{"columns": {{"name": [value, …], …}}}}</pre>
<p>or, to <code>/predict</code>, an Arrow IPC stream as
<code>application/vnd.apache.arrow.stream</code>. A missing value is <code>null</code>; times
are ISO text. What does not fit is refused with a message that names the field.</p>
<h2>Columns</h2>
<table><tr><th>Name</th><th>Type</th><th></th></tr>{rows}</table>
<h2>Look</h2>
<p><a href="model">/model</a> · <a href="readyz">/readyz</a> · <a href="metrics">/metrics</a> ·
<a href="openapi.json">/openapi.json</a></p>
</body></html>
"""
