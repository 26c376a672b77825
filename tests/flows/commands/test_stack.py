"""From an empty folder to a project that is checked, by the command line alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
ROWS = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(400))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERENNIAL_ROOT", raising=False)
    return tmp_path


def test_new_project_takes_a_model_with_its_deployments(
    run_here: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run_here("new", "shop", "--json")
    assert (code, json.loads(out)["folder"]) == (0, "shop")
    monkeypatch.chdir(folder / "shop")
    Path("planes.csv").write_text("id,seats,old\n" + ROWS)
    for name in ("planes", "others"):
        words = ("init", "planes.csv", "--target", "old", "--key", "id", "--name", name)
        code, out, err = run_here(*words, "--json")
        assert code == 0, err
        assert len(json.loads(out)["deployments"]) == 4
    assert run_here("deploy", "--check")[:2] == (0, "prefect.yaml agrees with the definitions\n")
    with Path("deployments/planes.toml").open("a") as file:
        file.write('retrain = "never"\n')
    code, out, _ = run_here("deploy", "planes", "--check")
    assert code == 1
    assert out == "prefect.yaml: retrain/planes runs at no time\nrun: perennial deploy\n"


def test_broken_prefect_file_refuses_a_model_before_anything_is_written(
    run_here: Run, folder: Path
) -> None:
    Path("planes.csv").write_text("id,seats,old\n" + ROWS)
    Path("prefect.yaml").write_text("name: x\ndeployments:\n  - [\n")
    code, _, err = run_here("init", "planes.csv", "--target", "old")
    assert code == 2
    assert err.startswith("perennial: prefect.yaml:")
    assert not Path("deployments").exists()


def test_nothing_runs_where_nothing_was_started(run_here: Run, folder: Path) -> None:
    assert run_here("ps")[0] == 1
    assert run_here("down")[:2] == (0, "nothing was running\n")
    assert json.loads(run_here("down", "--json")[1]) == {"stopped": False}
    assert run_here("up")[0] == 2
    assert run_here("logs")[0] == 1


def test_unit_is_written_for_the_project(
    run_here: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (folder / "deployments").mkdir()
    text = "name = 'm'\nsources.t = 't.csv'\ntarget = { value = 'y', kind = 'binary' }\n"
    (folder / "deployments/m.toml").write_text(text)
    code, out, _ = run_here("up", "--systemd")
    assert code == 0
    assert "systemctl --user enable --now perennial-" in out
    (unit,) = (folder / "config/systemd/user").iterdir()
    assert json.loads(run_here("up", "--systemd", "--json")[1])["path"] == str(unit)
