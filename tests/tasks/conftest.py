"""A project with nothing in it, for tests that write their own data."""

from pathlib import Path

import pytest
from tables import Project


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    # Prefect takes away what listens to the root logger when it is loaded: not in midst of a test.
    import flows.retrain  # noqa: F401

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return Project(tmp_path)
