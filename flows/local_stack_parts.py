"""The parts of the local stack as processes, and the supervisor that runs all of them.

The parts are Prefect's server, its registered deployments, the worker, the page over all models,
and one service for each model; a service manager can run each by itself. Responsible for the order
in which they start and stop. Not responsible for restarting one that ends
(`tasks.processes.supervisor`).
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import NoReturn

import httpx

from flows.prefect_connection import check_server
from flows.prefect_file import read_entries
from flows.prefect_process import prefect_command
from tasks.core.definition_file import DEFINITIONS, find_definition, list_definitions
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
    open_private,
    wait_until,
)
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

log = logging.getLogger("perennial.operate")

POOL = "local"
READY_SECONDS = 240.0


def keep_all() -> None:
    """Run the whole system until asked to stop."""
    here = settle_environment().model_copy(update={"models": tuple(list_models())})
    settle_for(here)
    stopping = become_supervisor(here.keeper)
    adopt_orphans()
    here.ready.unlink(missing_ok=True)
    here.home.mkdir(parents=True, exist_ok=True)
    server, worker, page = (part(here, name, name) for name in ("server", "worker", "ui"))
    services = [
        part(here, f"service-{model}", "service", model, str(here.port_of(model)))
        for model in here.models
    ]
    try:
        server.start()
        if wait_for_server(here, stopping):
            register_apart(here)
            for each in (worker, page, *services):
                each.start()
            with open_private(here.ready, "wb") as file:
                file.write(here.model_dump_json().encode())
            keep([server, worker, page, *services], stopping)
    finally:
        here.ready.unlink(missing_ok=True)
        worker.stop()
        put_back_runs()
        for each in (page, *services, server):
            each.stop()
        end_orphans()


def part(here: Environment, name: str, *words: str) -> SupervisedProcess:
    """Describe a part of the system as a process to supervise."""
    command = leash("flows.local_stack", *words)
    return SupervisedProcess(name, command, os.environ, here.folder / f"{name}.log")


def register_apart(here: Environment) -> None:
    """Register deployments and automations in a process of its own, as a person would."""
    path = here.folder / "register.log"
    with open_private(path, "wb") as output:
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
    if not (names := list(list_definitions())):
        raise DefinitionError(
            f"there is no definition in {DEFINITIONS}/ here; go to the project's folder, or write "
            "one: perennial init DATA --target COLUMN"
        )
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


def register() -> None:
    """Register this project's work pool, deployments and automations; twice changes nothing."""
    list_models()
    here = settle_environment()
    running = read_ready(here) if find_supervisor(here.keeper) else None
    os.environ.update(settle_variables(running or here))  # whose ports may be others by now
    check_server()
    from flows.deployments import register_all

    done = register_all(read_entries())
    for name in done.changed:
        print(f"{name} is registered")
    print(f"{len(done.same)} deployments are as they must be")


def worker(*options: str) -> NoReturn:
    """Become the worker that executes runs, as many at once as there are cores."""
    limit = ("--limit", str(max(2, os.cpu_count() or 2)))
    words = ("worker", "start", "--pool", POOL, "--type", "process", *limit)
    asked = prefect_command("prefect", *words, *options)
    os.execve(sys.executable, asked, settle_variables(settle_environment()))


def ui() -> NoReturn:
    """Become the page over all models."""
    here = settle_environment()
    place = ("--host", here.host, "--port", str(here.page_port))
    become("flows.cli", "ui", *place, variables=settle_variables(here))


def service(model: str, port: str = "") -> NoReturn:
    """Wait for a model's first champion, then become the service of its champions."""
    here = settle_environment()
    find_definition(model)
    store = open_store()
    if find_champion(store, model) is None:
        log.info("%s: waits for its first champion", model)
    while find_champion(store, model) is None:
        time.sleep(1)
    place = ("--host", here.host, "--port", port or str(here.serve_port))
    become("flows.cli", "serve", model, *place, variables=settle_variables(here))


def become(module: str, *words: str, variables: Mapping[str, str]) -> NoReturn:
    """Replace this process by a Python module's program (exec)."""
    os.execve(sys.executable, [sys.executable, "-P", "-m", module, *words], dict(variables))
