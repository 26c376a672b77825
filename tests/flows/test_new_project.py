"""A new project has what a team's repository begins with, and keeps what is there."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from flows.new_project import write_project
from tasks.core.errors import DefinitionError

REPOSITORY = Path(__file__).parents[2]
FILES = {
    *(".github/workflows/perennial.yml", ".gitignore", "README.md", "deployments/.gitkeep"),
    *("prefect.yaml", "requirements.txt"),
}


def test_project_is_made_whole_and_a_second_time_kept(tmp_path: Path) -> None:
    made = write_project(tmp_path / "our team" / "shop")
    assert (set(made.written), made.kept) == (FILES, ())
    folder = Path(made.folder)
    assert folder.joinpath("README.md").read_text().startswith("# shop\n")
    assert folder.joinpath("requirements.txt").read_text() == (
        f"perennial-ml=={version('perennial-ml')}\n"
    )
    assert yaml.safe_load(folder.joinpath("prefect.yaml").read_text())["deployments"] is None
    folder.joinpath("README.md").write_text("ours")
    folder.joinpath(".gitignore").unlink()
    again = write_project(folder)
    assert (again.written, set(again.kept)) == ((".gitignore",), FILES - {".gitignore"})
    assert folder.joinpath("README.md").read_text() == "ours"


def test_workflow_may_only_read_and_its_actions_cannot_move(tmp_path: Path) -> None:
    write_project(tmp_path)
    text = (tmp_path / ".github/workflows/perennial.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["check"]["steps"]
    used = [step["uses"] for step in steps if "uses" in step]
    ours = (REPOSITORY / ".github/workflows/pull_request.yml").read_text()
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) and each in ours for each in used)
    assert [step["run"] for step in steps if "run" in step] == [
        "python -m pip install -r requirements.txt",
        "perennial deploy --check",
    ]
    assert "secrets." not in text
    assert "http" not in text


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "deployments").write_text("a file where a folder is due")
    with pytest.raises(DefinitionError, match="cannot be written"):
        write_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["deployments"]
    (tmp_path / "file").touch()
    with pytest.raises(DefinitionError, match="file/shop: cannot be written"):
        write_project(tmp_path / "file" / "shop")
