"""A project's own module of features, as a team would write it, and lines that name them."""

from pathlib import Path

MODULE = '''"""Features of this project."""

import polars as pl

from churn.limits import MOST

LEVELS = {"north": 1, "south": 2}


def squared(x: pl.Expr) -> pl.Expr:
    return (x * x).clip(0, MOST)


def weekday() -> pl.Expr:
    return pl.col("t").dt.weekday() * 2 + 1


def side() -> pl.Expr:
    return pl.when(pl.col("c") == "north").then(pl.lit("up")).otherwise(pl.lit("down"))
'''
FEATURES = """
x = "x"
squared = { python = "churn.features:squared", columns = ["x"] }
weekday = { python = "churn.features:weekday" }
side = { python = "churn.features:side" }
"""


def write_module(project: Path, text: str = MODULE, name: str = "features") -> Path:
    """Write a module of the project's package `churn`."""
    package = project / "churn"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("MOST = 50\n")
    (package / f"{name}.py").write_text(text)
    return package / f"{name}.py"
