"""A project with nothing in it, for tests that write their own data; how properties are tried."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tables import Project

# The same examples on every machine: a run that fails here fails everywhere.
settings.register_profile(
    "fixed",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return Project(tmp_path)
