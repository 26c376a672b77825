"""The wheel is complete: installed where nothing of this folder is, its command works."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_all_modules_and_nothing_else(wheel: Path) -> None:
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = [path for room in ("bentos", "flows", "tasks") for path in (REPOSITORY / room).iterdir()]
    assert held == {str(path.relative_to(REPOSITORY)) for path in ours if path.suffix == ".py"}


def test_installed_command_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    venv, here = tmp_path / "venv", tmp_path / "here"
    here.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    offline = ["pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([find_uv_bin(), *offline, "--python", venv, wheel], check=True)
    # What it needs lies here already; this project itself is not found that way.
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    rows = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(400))
    (here / "planes.csv").write_text("id,seats,old\n" + rows)
    words = ("init", "planes.csv", "--target", "old", "--key", "id", "--json")
    command = [venv / "bin/perennial", *words]
    said = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert (here / json.loads(said.stdout)["definition"]).is_file()
    where = [venv / "bin/python", "-c", "import tasks; print(tasks.__file__)"]
    assert str(venv) in subprocess.check_output(where, cwd=here, text=True)
