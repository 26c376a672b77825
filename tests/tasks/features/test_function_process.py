"""The process that calls a project's functions: what it is asked, and what it answers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project_code import write_module


def ask(project: Path, **functions: tuple[str, list[str]]) -> dict[str, Any]:
    question = json.dumps({"folders": [str(project)], "functions": functions})
    command = [sys.executable, "-P", "-m", "tasks.features.function_process"]
    ran = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_it_answers_with_expressions_and_all_modules_of_the_project(tmp_path: Path) -> None:
    write_module(tmp_path)
    answer = ask(tmp_path, squared=("churn.features:squared", ["x"]))
    assert answer["built"]["squared"]["place"] == "churn/features.py:10"
    assert json.loads(answer["built"]["squared"]["tree"])["Function"]
    assert {*answer["sources"]} == {"churn/__init__.py", "churn/features.py", "churn/limits.py"}
    assert not [*tmp_path.rglob("*.pyc")]


def test_what_a_project_prints_is_no_answer(tmp_path: Path) -> None:
    write_module(tmp_path, "import os, polars as pl\nos.write(1, b'hi')\nprint('ho')\n"
                 "def f(): return pl.lit(1)\n")  # fmt: skip
    assert ask(tmp_path, f=("churn.features:f", []))["built"]["f"]["tree"]


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now().year",
        "date.today().year",
        "datetime.utcnow().year",
        "int(time.time())",
        "time.localtime().tm_year",
    ],
)
def test_a_clock_that_is_read_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    text = f"""import time, polars as pl, warnings
from datetime import date, datetime
warnings.simplefilter("ignore")
YEAR = {line}
def f():
    return pl.lit(YEAR)
"""
    write_module(tmp_path, text)
    answer = ask(tmp_path, f=("churn.features:f", []))
    assert answer["place"] == "churn/features.py:4"
    assert "reads the clock" in answer["said"]
