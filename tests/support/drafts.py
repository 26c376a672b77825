"""Rows for drafts of definitions, and what is looked up in the text of one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.core.definition import Definition

FLIGHTS = Path(__file__).parents[2] / "data" / "nycflights13"
OTHER = Path(__file__).parents[3] / "shared" / "data" / "other"
RNG = np.random.default_rng(1)
ROWS = 600
X = RNG.normal(size=ROWS)
Y = 2 * X + RNG.normal(size=ROWS)
with_other = pytest.mark.skipif(not OTHER.is_dir(), reason="adult and bike_hour are not here")
Drafted = tuple[Definition, str]
Draft = Callable[..., Drafted]


def line_of(text: str, start: str) -> str:
    """Give the line of the file's first half, before the checks name columns again."""
    written = text.partition("[checks]")[0].splitlines()
    (line,) = [line for line in written if line.startswith(start)]
    return line


def unwrap(text: str) -> str:
    """Write each comment in one line."""
    return text.replace("\n# ", " ")
