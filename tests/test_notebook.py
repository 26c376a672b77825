"""The notebook of the docs does what it says, cell by cell, in a folder of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "python.ipynb"


def test_notebook_runs_from_its_first_cell_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_harness: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERENNIAL_ROOT", raising=False)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    scope: dict[str, Any] = {}
    for place, cell in enumerate(json.loads(NOTEBOOK.read_text("utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"cell {place}", "exec"), scope)
    assert scope["made"]["verdict"] == "passed"
    assert scope["champion"].version == scope["made"]["version"]
    assert scope["answers"]["prediction"][0] > 0.5
    assert "did you mean 'churn'" in scope["refusal"]
    assert (tmp_path / ".perennial" / "models" / "churn").is_dir()
