"""A project with nothing in it, for tests that write their own data."""

from pathlib import Path

import pytest
from tables import Project


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return Project(tmp_path)
