"""Editors are given the schema, by the command and beside what `init` writes."""

import json
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_schema_is_printed_and_lies_beside_what_init_writes(run: Run) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out)["$schema"].endswith("2020-12/schema")
    planes = "data/nycflights13/planes.parquet"
    assert run("init", planes, "--target", "engines", "--name", "engines")[0] == 0
    first = Path("deployments/engines.toml").read_text().splitlines()[0]
    assert first.startswith("#:schema ./")
    beside = Path("deployments", first.removeprefix("#:schema ./"))
    assert json.loads(beside.read_text()) == json.loads(out)
    assert run("schema", "--json")[1] == out
