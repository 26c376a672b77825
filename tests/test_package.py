"""The wheel is complete: installed where nothing of this folder is, its command works."""

import json
import subprocess
import sys
import sysconfig
from inspect import getsource
from pathlib import Path
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from tasks.processes.bento_server import leash

REPOSITORY = Path(__file__).parents[1]
TEMPLATES = ("tasks/reports/templates", "flows/templates", "flows/ui/templates")
LOCKS = {"tasks/serving/requirements.lock", "tasks/serving/requirements-compiled.lock"}


def list_ingredients() -> list[object]:
    """List what a bento is made of: modules by digest, pins, and what is known by its hashes."""
    from pathlib import Path

    from tasks.serving import bento_build, requirements
    from tasks.storage.store import digest_file

    top = Path(bento_build.__file__).parents[2]
    needed = bento_build.needed_modules()
    modules = {str(path.relative_to(top)): digest_file(path) for path in needed}
    locks = requirements.read_lock() + requirements.read_lock(requirements.COMPILED_LOCK)
    pins = requirements.serving_requirements(compiled=True).splitlines()
    return [modules, pins, sorted(requirements.read_hashes(locks))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment that has the wheel, and otherwise what lies here already."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    offline = ["pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([find_uv_bin(), *offline, "--python", venv, wheel], check=True)
    # This project itself is not found that way: links to it lie in another .pth file.
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return venv


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Make a folder with packages of the user's own that have our packages' names."""
    (tmp_path / "flows").mkdir()
    for own in ("tasks.py", "flows/__init__.py"):
        (tmp_path / own).write_text("raise RuntimeError('the folder has its own')")
    return tmp_path


def test_wheel_holds_all_modules_and_the_locks_and_nothing_else(wheel: Path) -> None:
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = [
        path for room in ("bentos", "flows", "tasks") for path in (REPOSITORY / room).rglob("*.py")
    ]
    templates = [path for folder in TEMPLATES for path in (REPOSITORY / folder).rglob("*")]
    ours += [path for path in (*templates, REPOSITORY / "bentos/page.html") if path.is_file()]
    ours += [REPOSITORY / "perennial.py"]
    modules = {str(path.relative_to(REPOSITORY)) for path in ours}
    assert held == modules | LOCKS


def test_installed_command_works_elsewhere(installed: Path, here: Path) -> None:
    rows = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(400))
    (here / "planes.csv").write_text("id,seats,old\n" + rows)
    words = ("init", "planes.csv", "--target", "old", "--key", "id", "--json")
    command = [installed / "bin/perennial", *words]
    said = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert (here / json.loads(said.stdout)["definition"]).is_file()
    where = [installed / "bin/python", "-P", "-c", "import tasks; print(tasks.__file__)"]
    assert str(installed) in subprocess.check_output(where, cwd=here, text=True)


def test_bento_from_the_wheel_is_made_of_the_same_as_one_from_the_clone(
    installed: Path, here: Path
) -> None:
    code = f"{getsource(list_ingredients)}\nimport json\nprint(json.dumps(list_ingredients()))"
    there = subprocess.check_output([installed / "bin/python", "-P", "-c", code], cwd=here)
    modules, pins, hashed = ours = list_ingredients()
    assert json.loads(there) == ours
    assert {"bentos/service.py", "tasks/features/transform.py"} <= set(modules)
    assert set(pins) <= set(hashed)


def test_process_of_ours_imports_our_packages_and_not_the_folders(here: Path) -> None:
    run = subprocess.run(
        leash("flows.local_stack", "--help"), cwd=here, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
