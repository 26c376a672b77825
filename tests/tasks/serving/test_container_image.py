"""What `bentoml containerize` makes of a released bento: the Dockerfile and all that it copies.

No engine is asked for: a stand-in for `docker` keeps the build context that BentoML hands to it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from packaging.requirements import Requirement
from servers import wait_for

from tasks.processes.bento_server import bento_environment, find_port, is_ready, stop_server
from tasks.serving.bento_archive import bento_tag
from tasks.serving.bento_build import needed_modules
from tasks.serving.bento_client import Caller
from tasks.serving.requirements import serving_requirements

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
DOCKER = """#!/bin/sh
if [ "$1" = version ]; then echo '"27.0.0"'; exit; fi
for context; do :; done
cp -r "$context" "$KEPT"
"""


@pytest.fixture(scope="module")
def context(released_once: "Released", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run `bentoml containerize`, and keep the context of its build."""
    folder = tmp_path_factory.mktemp("container")
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"
    given = bento_environment(released_once.home, PATH=path, KEPT=str(folder / "context"))
    words = ["containerize", bento_tag(MODEL, released_once.older)]
    command = [sys.executable, "-m", "bentoml", *words]
    made = subprocess.run(command, env=given, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder / "context"


def read_dockerfile(context: Path) -> list[tuple[str, str]]:
    text = (context / "env" / "docker" / "Dockerfile").read_text().replace("\\\n", "")
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def read_environment(context: Path) -> dict[str, str]:
    """Read what the image's ENV and ARG lines set."""
    known: dict[str, str] = {}
    for word, rest in read_dockerfile(context):
        if word in ("ENV", "ARG"):
            name, _, value = rest.partition("=")
            known[name] = re.sub(r"\$\{?(\w+)\}?", lambda each: known.get(each[1], ""), value)
    return known


def test_image_installs_our_pins_and_lightgbm_s_openmp(context: Path) -> None:
    pinned = (context / "env" / "python" / "requirements.txt").read_text()
    ours = f"{serving_requirements(compiled=True)}bentoml=={version('bentoml')}\n"
    one, other = (set(map(Requirement, each.splitlines())) for each in (pinned, ours))
    assert one == other
    lines = read_dockerfile(context)
    runs = [rest for word, rest in lines if word == "RUN"]
    assert any(
        each.endswith(
            "uv --directory $INSTALL_ROOT pip install -r $BENTO_PATH/env/python/requirements.txt"
        )
        for each in runs
    )
    assert any("apt-get install" in each and each.endswith(" libgomp1") for each in runs)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert lines[0] == ("FROM", f"python:{python}-slim AS base-container")


def test_image_holds_the_service_and_the_version_s_files(
    context: Path, released_once: "Released"
) -> None:
    copied = [rest.split()[-2:] for word, rest in read_dockerfile(context) if word == "COPY"]
    assert all((context / source).exists() for source, _ in copied)
    assert copied[-1] == [".", "./"]
    assert dict(read_dockerfile(context))["WORKDIR"] == "$BENTO_PATH"
    held = {each.relative_to(context / "src").as_posix() for each in context.rglob("src/**/*.py")}
    root = Path(__file__).parents[3]
    assert held == {each.relative_to(root).as_posix() for each in needed_modules()}
    for each in (released_once.root / "models" / MODEL / released_once.older).iterdir():
        assert (context / "src" / "model" / each.name).read_bytes() == each.read_bytes()


def test_image_runs_as_no_root_and_starts_bentoml_s_entrypoint(context: Path) -> None:
    lines = read_dockerfile(context)
    entry = "/home/bentoml/bento/env/docker/entrypoint.sh"
    assert lines[-2:] == [("USER", "bentoml"), ("ENTRYPOINT", f'[ "{entry}" ]')]
    assert ("EXPOSE", "3000") in lines
    home = read_environment(context)["BENTOML_HOME"]
    assert entry == f"{read_environment(context)['BENTO_PATH']}/env/docker/entrypoint.sh"
    assert home == "/home/bentoml/"  # made by useradd -m: the user's own, so it can be written to


@contextmanager
def contained(context: Path, home: Path) -> Iterator[int]:
    """Start the entrypoint in the image's own environment, moved to where the context lies."""
    port = find_port()
    moved = {"BENTO_PATH": str(context), "BENTOML_HOME": str(home), "BENTOML_PORT": str(port)}
    own = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
    own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in read_environment(context).items() if name not in own}
    server = subprocess.Popen(
        ["bash", str(context / "env" / "docker" / "entrypoint.sh")],
        cwd=context,
        env=own | kept | moved,
        start_new_session=True,
    )
    try:
        wait_for(lambda: is_ready(port), 60)
        yield port
    finally:
        stop_server(server)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_container_answers_from_outside_itself(context: Path, tmp_path: Path) -> None:
    with contained(context, tmp_path / "home") as port:
        # An address that a server on 127.0.0.1 does not hear.
        answer = httpx.get(f"http://127.0.0.2:{port}/readyz", trust_env=False)
        assert answer.status_code == 200
        with closing(Caller(port)) as caller:
            assert caller.ask("GET", "/model").status == 200
