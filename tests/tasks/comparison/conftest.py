"""A project whose versions are made by real runs."""

from pathlib import Path

import pytest
from compared import Versions


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return Versions(tmp_path / "project")
