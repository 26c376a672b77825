"""A project's prefect.yaml is checked or brought into agreement, with a server or without."""

from pathlib import Path

import pytest

from flows.project_deployments import agree, check_project, deploy_project
from tasks.core.errors import DefinitionError, StartFailed

TEXT = "sources.t = 't.csv'\ntarget = { value = 'y', kind = 'binary' }\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "")
    (tmp_path / "deployments").mkdir()
    for name in ("ann", "bob"):
        (tmp_path / f"deployments/{name}.toml").write_text(f"name = '{name}'\n{TEXT}")
    return tmp_path


def test_check_changes_nothing_and_one_model_may_be_named(here: Path) -> None:
    assert len(check_project()["changes"]) == 8
    assert not (here / "prefect.yaml").exists()
    assert len(agree("bob")) == 4
    assert check_project("bob")["changes"] == []
    assert len(agree()) == 4


def test_without_a_server_the_file_agrees_and_that_is_all_that_is_said(here: Path) -> None:
    said = "prefect.yaml agrees with the definitions, but nothing is registered: no server runs"
    with pytest.raises(StartFailed, match=said):
        deploy_project()
    assert check_project()["changes"] == []


def test_folder_without_definitions_and_one_that_is_broken_are_named(here: Path) -> None:
    with pytest.raises(DefinitionError, match="no model named 'bo' in deployments/: did you mean"):
        check_project("bo")
    (here / "deployments/bob.toml").write_text(f"name = 'rob'\n{TEXT}")
    with pytest.raises(DefinitionError, match=r"deployments/bob.toml: name = 'rob', and the file"):
        check_project()
    (here / "deployments/bob.toml").write_text("name = 3")
    with pytest.raises(DefinitionError, match=r"deployments/bob.toml: "):
        check_project()
    for path in (here / "deployments").iterdir():
        path.unlink()
    with pytest.raises(DefinitionError, match="perennial init DATA --target COLUMN"):
        check_project()
