"""The parts of the local stack as processes, and the supervisor that runs all of them.

The parts are Prefect's server, its registered deployments, the worker, and one service for each
model; a service manager can run each by itself. Responsible for the order in which they start and
stop. Not responsible for restarting one that ends (`tasks.processes.supervisor`).
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Event
from typing import NoReturn

import httpx

from tasks.core.definition_file import DEFINITIONS, list_definitions
from tasks.core.errors import DefinitionError, StartFailed, first_line
from tasks.processes import bento_server
from tasks.processes.bento_server import leash
from tasks.processes.settings import Environment, read_ready, settle_environment, settle_variables
from tasks.processes.supervisor import (
    SupervisedProcess,
    adopt_orphans,
    become_supervisor,
    end_orphans,
    find_supervisor,
    keep,
    wait_until,
)
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

log = logging.getLogger("perennial.operate")

POOL = "local"
READY_SECONDS = 240.0
_PROJECT = Path("prefect.yaml")


def keep_all() -> None:
    """Run the whole system until asked to stop."""
    here = settle_environment()
    models = list_models()
    settle_for(here)
    stopping = become_supervisor(here.keeper)
    adopt_orphans()
    here.ready.unlink(missing_ok=True)
    here.home.mkdir(parents=True, exist_ok=True)
    server, worker = part(here, "server"), part(here, "worker")
    services = [part(here, "service", model, place) for place, model in enumerate(models)]
    try:
        server.start()
        if wait_for_server(here, stopping):
            register_apart(here)
            for each in (worker, *services):
                each.start()
            here.ready.write_text(here.model_dump_json())
            keep([server, worker, *services], stopping)
    finally:
        here.ready.unlink(missing_ok=True)
        worker.stop()
        put_back_runs()
        for each in (*services, server):
            each.stop()
        end_orphans()


def part(here: Environment, command: str, model: str = "", place: int = 0) -> SupervisedProcess:
    """Describe a part of the system as a process to supervise; each service has its own port."""
    words = (command, model) if model else (command,)
    variables = os.environ | {"PERENNIAL_SERVE_PORT": str(here.serve_port + place)}
    name = "-".join(words)
    return SupervisedProcess(
        name, leash("flows.local_stack", *words), variables, here.folder / f"{name}.log"
    )


def register_apart(here: Environment) -> None:
    """Register deployments and automations in a process of its own, as a person would."""
    path = here.folder / "register.log"
    with path.open("wb") as output:
        done = subprocess.run(leash("flows.local_stack", "register"), stdout=output, stderr=output)
    if done.returncode:
        raise StartFailed(f"deployments cannot be registered: {last_line(path)} ({path})")


def settle_for(here: Environment) -> None:
    """Point this process's variables at that system: its root, its server, its password."""
    os.environ.update(settle_variables(here) | {"PREFECT_API_URL": here.api})


def put_back_runs() -> None:
    """Schedule again the runs that were stopped with their worker."""
    from flows.automations import put_back

    try:
        for name in put_back():
            log.info("run %s was going on; it starts again with the next worker", name)
    except Exception as error:  # the server may be gone: what it keeps is told by its heartbeat
        log.error("runs that were going on cannot be put back: %s", first_line(error))


def wait_for_server(here: Environment, stopping: Event) -> bool:
    """Wait for the server to answer; False if the system is to stop before that."""
    wait_until(lambda: answers(here) or stopping.is_set(), READY_SECONDS)
    if not answers(here) and not stopping.is_set():
        raise StartFailed(f"Prefect's server: {last_line(here.folder / 'server.log')}")
    return not stopping.is_set()


def answers(here: Environment) -> bool:
    """Tell whether Prefect's server answers that it is healthy."""
    try:
        # Plain HTTP to this machine: reading certificates would take most of the time.
        found = httpx.get(f"{here.api}/health", timeout=2, trust_env=False, verify=False)
        return found.status_code == 200
    except httpx.HTTPError:
        return False


def list_models() -> list[str]:
    """List the models of this project, each of which is served on a port of its own."""
    names = list(list_definitions())
    refuse_other_folder(names)
    return names


def last_line(path: Path) -> str:
    """Give the last line of a log, which says why its process ended."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return bento_server.last_line(text).removeprefix("perennial: ")


def server() -> NoReturn:
    """Become Prefect's server."""
    here = settle_environment()
    place = (here.host, str(here.ui_port))
    become("flows.prefect_server", *place, variables=settle_variables(here))


def register(*names: str) -> None:
    """Register this project's work pool, deployments and automations; twice changes nothing."""
    refuse_other_folder(names or ("all",))
    here = settle_environment()
    running = read_ready(here) if find_supervisor(here.keeper) else None
    os.environ.update(settle_variables(running or here))  # whose ports may be others by now
    chosen = [word for name in names for word in ("--name", name)] or ["--all"]
    prefect = [sys.executable, "-P", "-m", "prefect", "--no-prompt"]
    for words in (
        ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
        ["deploy", *chosen],
    ):
        if subprocess.run([*prefect, *words]).returncode:
            raise StartFailed(f"`prefect {' '.join(words)}` failed")
    from flows.automations import register_automations, start_runs_directly

    start_runs_directly(POOL)
    for name in register_automations():
        print(f"automation {name!r} is registered")


def worker(*options: str) -> NoReturn:
    """Become the worker that executes runs, as many at once as there are cores."""
    limit = ("--limit", str(max(2, os.cpu_count() or 2)))
    words = ("worker", "start", "--pool", POOL, "--type", "process", *limit)
    become("prefect", *words, *options, variables=settle_variables(settle_environment()))


def service(model: str) -> NoReturn:
    """Wait for a model's first champion, then become the service of its champions."""
    here = settle_environment()
    store = open_store()
    if find_champion(store, model) is None:
        log.info("%s: waits for its first champion", model)
    while find_champion(store, model) is None:
        time.sleep(1)
    place = ("--host", here.host, "--port", str(here.serve_port))
    become("flows.cli", "serve", model, *place, variables=settle_variables(here))


def refuse_other_folder(names: Collection[str]) -> None:
    """Raise DefinitionError in a folder that is no project: without definitions or prefect.yaml."""
    if not names or not _PROJECT.is_file():
        missing = _PROJECT if names else f"definition in {DEFINITIONS}/"
        raise DefinitionError(
            f"there is no {missing} here; go to the project's folder: this works in a clone of "
            "Perennial only"
        )


def become(module: str, *words: str, variables: Mapping[str, str]) -> NoReturn:
    """Replace this process by a Python module's program (exec)."""
    os.execve(sys.executable, [sys.executable, "-P", "-m", module, *words], dict(variables))
