"""Snippets: how to ask the service for a real row, in a shell and in Python, ready to be run.

Responsible for text that does what it says as it stands, whatever the names and values of a row.
"""

import json
import shlex
from pprint import pformat
from typing import Any

from bentos.model import Model

ADDRESS = "http://127.0.0.1:3000"  # the page puts its own in place of the first that it finds
ARROW = "application/vnd.apache.arrow.stream"


def write_snippets(model: Model, token: bool) -> list[dict[str, str]]:
    """Write one snippet for each way to ask; none where the version has no example."""
    if not model.examples:
        return []
    row = json.loads(model.examples[0])
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(model.examples[0].decode(), token)},
        {"lang": "Python", "label": "Python (bentoml)", "source": _bentoml(row, token)},
        {"lang": "Python", "label": "Python (httpx)", "source": _httpx(row, token)},
        {"lang": "Python", "label": "Arrow (polars)", "source": _arrow(model, token)},
    ]


def _curl(row: str, token: bool) -> str:
    given = ' \\\n  -H "Authorization: Bearer $PERENNIAL_TOKEN"' if token else ""
    kind = "-H 'Content-Type: application/json'"
    return f"curl {ADDRESS}/predict \\\n  {kind}{given} \\\n  -d {shlex.quote(row)}\n"


def _bentoml(row: dict[str, Any], token: bool) -> str:
    given = ', token=os.environ["PERENNIAL_TOKEN"]' if token else ""
    return (
        f"{_imports(token, 'bentoml')}\nurl = {ADDRESS!r}\nrow = {_show(row)}\n"
        f"with bentoml.SyncHTTPClient(url{given}) as client:\n"
        "    print(client.predict(row))\n"
    )


def _httpx(row: dict[str, Any], token: bool) -> str:
    given = f", headers={{{_bearer()}}}" if token else ""
    return (
        f"{_imports(token, 'httpx')}\nurl = {ADDRESS!r}\nrow = {_show(row)}\n"
        f'answer = httpx.post(f"{{url}}/predict", json=row{given})\n'
        "print(answer.json())\n"
    )


def _arrow(model: Model, token: bool) -> str:
    """Write a frame with the columns' own types, whose values are Python's of these."""
    pairs = zip(model.schema.columns, model.schema.decode_row(model.examples[0]), strict=True)
    needed = [(column, value) for column, value in pairs if column.required]
    row = {column.name: value for column, value in needed}
    types = "".join(f"    {column.name!r}: pl.{column.dtype!r},\n" for column, _ in needed)
    given = f", {_bearer()}" if token else ""
    temporal = ["datetime"] if any(column.is_time for column, _ in needed) else []
    return (
        f"{_imports(token, *temporal, 'io', 'httpx', 'polars as pl')}\nurl = {ADDRESS!r}\n"
        f"types = {{\n{types}}}\nrow = {_show(row)}\n"
        "body = io.BytesIO()\n"
        "pl.DataFrame([row], schema=types).write_ipc_stream(body)\n"
        f'headers = {{"Content-Type": "{ARROW}"{given}}}\n'
        'answer = httpx.post(f"{url}/predict", content=body.getvalue(), headers=headers)\n'
        "print(pl.read_ipc_stream(answer.content))\n"
    )


def _imports(token: bool, *names: str) -> str:
    return "".join(f"import {name}\n" for name in (*(["os"] if token else []), *names))


def _bearer() -> str:
    return '"Authorization": f"Bearer {os.environ[\'PERENNIAL_TOKEN\']}"'


def _show(row: dict[str, Any]) -> str:
    shown = pformat(row, width=88, sort_dicts=False)
    return f"{{\n {shown[1:-1]},\n}}"
