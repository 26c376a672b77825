"""The unit of a project: for its own paths, without secrets, and never over another's."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.systemd_unit import write_unit
from tasks.core.errors import DefinitionError, StartFailed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "Our 100% shop"
    folder.mkdir()
    return folder


def test_unit_runs_the_whole_system_in_the_projects_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ENV", "staging")
    monkeypatch.setenv("PERENNIAL_ROOT", 's3://bucket/"x" $HOME')
    monkeypatch.setenv("PERENNIAL_TOKEN", "hidden")
    unit = write_unit(project, tmp_path / "units" / "user")
    assert unit.path.name == "perennial-our-100-shop-staging.service"
    assert unit.enable.count(unit.path.stem) == 1
    lines = unit.path.read_text().splitlines()
    assert f"WorkingDirectory={str(project).replace('%', '%%')}" in lines
    assert f'ExecStart="{sys.executable}" -P -m flows.local_stack keep' in lines
    assert 'Environment="PERENNIAL_ENV=staging"' in lines
    assert 'Environment="PERENNIAL_ROOT=s3://bucket/\\"x\\" $HOME"' in lines
    assert "hidden" not in unit.path.read_text()
    if verifier := shutil.which("systemd-analyze"):
        asked = [verifier, "verify", "--man=no", str(unit.path)]
        said = subprocess.run(asked, capture_output=True, text=True)
        assert unit.path.name not in said.stderr, said.stderr


def test_unit_of_a_user_and_of_root_differ(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    unit = write_unit(project)
    assert unit.path.parent == tmp_path / "config/systemd/user"
    assert unit.secrets == tmp_path / "config/perennial.env"
    assert unit.enable.startswith("systemctl --user daemon-reload")
    assert unit.enable.endswith("loginctl enable-linger")
    assert "WantedBy=default.target" in unit.path.read_text()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    unit = write_unit(project, tmp_path / "system")
    assert f"User={project.owner()}" in unit.path.read_text().splitlines()
    assert "WantedBy=multi-user.target" in unit.path.read_text()
    assert "--user" not in unit.enable


def test_unit_is_written_again_but_not_over_another_projects(project: Path, tmp_path: Path) -> None:
    unit = write_unit(project, tmp_path / "units")
    assert write_unit(project, tmp_path / "units") == unit
    other = tmp_path / "elsewhere" / project.name
    other.mkdir(parents=True)
    with pytest.raises(StartFailed, match="is another project's"):
        write_unit(other, tmp_path / "units")
    (tmp_path / "file").touch()
    with pytest.raises(StartFailed, match="cannot be written"):
        write_unit(project, tmp_path / "file")


def test_folder_whose_name_would_be_another_line_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a\nExecStart=b"
    folder.mkdir()
    with pytest.raises(DefinitionError, match="cannot stand in a unit"):
        write_unit(folder, tmp_path / "units")
