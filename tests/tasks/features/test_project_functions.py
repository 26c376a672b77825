"""Functions of the project's own module: what they may give, and how each slip is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from project_code import FEATURES, MODULE, write_module
from tables import define

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.features import project_functions
from tasks.features.project_functions import FeatureCode, call_functions


def defined(features: str = FEATURES) -> Definition:
    return parse_definition(define(features=features), "made.toml")


def call(project: Path, reference: str = "churn.features:f", columns: str = "") -> FeatureCode:
    line = f'f = {{ python = "{reference}", columns = [{columns}] }}'
    return call_functions(defined(line), project, "made.toml")


def test_expressions_sources_and_a_key_come_of_the_functions(tmp_path: Path) -> None:
    write_module(tmp_path)
    code = call_functions(defined(), tmp_path, "made.toml")
    assert {*code.built} == {"squared", "weekday", "side"}
    assert code.sources["churn/features.py"] == MODULE
    assert "churn.features" not in sys.modules
    write_module(tmp_path, MODULE + "# a remark\n")
    assert call_functions(defined(), tmp_path, "made.toml").key != code.key


def test_a_module_under_src_is_found(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    write_module(tmp_path / "src")
    code = call(tmp_path, "churn.features:weekday")
    assert "src/churn/features.py" in code.sources


def test_sql_alone_calls_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert call_functions(defined('x = "x"'), tmp_path, "made.toml").key == ()


def test_packages_that_a_project_imports_are_known_by_their_versions(tmp_path: Path) -> None:
    write_module(tmp_path, "import dateutil, polars as pl\ndef f(): return pl.lit(1)\n")
    assert call(tmp_path).packages["python-dateutil"]


SLIPS = [
    ("def g(): pass", r"churn/features.py: has no function 'f'; known: 'g'"),
    ("f = 3", r"churn/features.py: 'f' is no function but int"),
    ("def f(): return 3", r"churn/features.py:1: gives int, and must give a Polars expression"),
    ("\ndef f():\n    return 1 / 0", r"churn/features.py:3: fails: ZeroDivisionError"),
    ("def f(x): return x", r"churn/features.py:1: fails: TypeError: .*missing 1 required"),
    ("import nowhere", r"churn/features.py:1: cannot be imported: ModuleNotFoundError.*'nowhere'"),
    ("def f(:", r"churn/features.py:1: cannot be imported: SyntaxError"),
    ("raise SystemExit(3)", r"churn/features.py:1: cannot be imported: SystemExit: 3"),
    ("from polars import lit as f", "'f' is defined in .*, which is not in this project"),
    ("import polars as pl\ndef f(): return pl.col('x', 'k')", "features.py:2: gives several"),
    (
        "import polars as pl, random\nV = random.random()\ndef f(): return pl.lit(V)",
        "churn/features.py:3: gives another expression each time",
    ),
    (
        "import polars as pl\ndef f(): return pl.col('c').is_in(list({'a', 'b', 'c', 'd', 'e'}))",
        "churn/features.py:2: gives another expression each time",
    ),
    ("import os; os._exit(1)", "Python functions end the process"),
]


@pytest.mark.parametrize(("text", "said"), SLIPS, ids=[said for _, said in SLIPS])
def test_slips_are_refused_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    write_module(tmp_path, text)
    with pytest.raises(DefinitionError, match=said) as refused:
        call(tmp_path)
    assert str(refused.value).startswith("made.toml: [features]")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("churm.features:f", "there is no module 'churm' in "),
        ("churn.more:f", "there is no module 'churn.more' in "),
        ("tasks.features:f", "'tasks' is Perennial's own module; give yours another name"),
        ("flows:f", "'flows' is Perennial's own module"),
        ("random:f", "'random' is Python's own module"),
        ("lightgbm:train", "lightgbm is .*, which is not in this project"),
    ],
)
def test_modules_that_are_not_the_project_s_are_refused_by_name(
    tmp_path: Path, reference: str, said: str
) -> None:
    write_module(tmp_path)
    with pytest.raises(DefinitionError, match=said):
        call(tmp_path, reference)


def test_a_function_that_never_returns_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, "def f():\n    while True: pass\n")
    monkeypatch.setattr(project_functions, "_SECONDS", 3.0)
    with pytest.raises(DefinitionError, match="are not done within 3 s"):
        call(tmp_path)
