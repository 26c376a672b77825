"""Operate: the whole system on one machine, or one part of it for a service manager to run.

    python -m flows.local_stack up          start all of it in the background, or find it running
    python -m flows.local_stack down        stop all of it; runs that are cut off start again later
    python -m flows.local_stack status      tell what runs, and what went wrong in the last day

    python -m flows.local_stack keep        all of it, in the foreground
    python -m flows.local_stack server      Prefect's server with its UI
    python -m flows.local_stack register [..] work pool, deployments (all or FLOW/MODEL)
    python -m flows.local_stack worker      carries out runs (after --: Prefect's options)
    python -m flows.local_stack service MODEL answers requests, as soon as there is a champion

Settings are variables, which docs/operations.md lists; what is left out suits one machine.
"""

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException
from inspect import signature
from pathlib import Path
from threading import Event
from typing import NoReturn

from flows.prefect_connection import check_password
from tasks.core.definition_file import DEFINITIONS
from tasks.core.errors import DefinitionError, PerennialError, StartFailed, first_line
from tasks.processes.bento_server import is_ready, leash
from tasks.processes.settings import (
    Environment,
    is_free,
    read_ready,
    settle_environment,
    settle_variables,
    tell_password,
)
from tasks.processes.supervisor import (
    SupervisedProcess,
    adopt_orphans,
    become_keeper,
    end_orphans,
    find_keeper,
    keep,
    stop_keeper,
    wait_until,
)
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

log = logging.getLogger("perennial.operate")

POOL = "local"
_PROJECT = Path("prefect.yaml")
_PLACE = "go to the project's folder: this works in a clone of Perennial only"
_READY_SECONDS = 240.0
_SERVICE_SECONDS = 30.0


def main() -> None:
    """Do what the command line asks for; every refusal is one line and its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.local_stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    command = COMMANDS[asked.command]
    try:
        signature(command).bind(*asked.names)
    except TypeError as error:
        parser.error(f"{asked.command}: {error}")
    logging.basicConfig(format="%(asctime)s %(name)s  %(message)s")
    logging.getLogger("perennial").setLevel(logging.INFO)
    try:
        command(*asked.names)
    except PerennialError as error:
        print(f"perennial: {first_line(error)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def up() -> None:
    """Start the system in the background, or find it running, and say where it is."""
    here = settle_environment()
    models, told = list_definitions(), here.password.exists()
    if find_keeper(here.keeper) is None:
        refuse_taken_ports(here, len(models))
        start_keeper(here)
    wait_until(lambda: read_ready(here) or not find_keeper(here.keeper), _READY_SECONDS)
    ready = read_ready(here)
    if ready is None:
        raise StartFailed(f"the system did not start: {last_line(here.folder / 'keeper.log')}")
    say_where(ready, models)
    if ready.password.exists() and not told:
        print(f"the UI asks for this, now and in {ready.password}: {ready.password.read_text()}")


def down() -> None:
    """Stop the system and everything that it started."""
    stopped = stop_keeper(settle_environment().keeper)
    print("stopped" if stopped else "nothing was running")


def keep_all() -> None:
    """Run the whole system until asked to stop."""
    here = settle_environment()
    models = list_definitions()
    settle_for(here)
    stopping = become_keeper(here.keeper)
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
    """Name a part of the system, each service with a port of its own."""
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


def server() -> NoReturn:
    """Become Prefect's server."""
    here = settle_environment()
    place = (here.host, str(here.ui_port))
    become("flows.prefect_server", *place, variables=settle_variables(here))


def register(*names: str) -> None:
    """Make work pool, deployments and automations what this project says; twice changes nothing."""
    if not _PROJECT.is_file():
        raise DefinitionError(f"there is no {_PROJECT} here; {_PLACE}")
    here = settle_environment()
    running = read_ready(here) if find_keeper(here.keeper) else None
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
    """Become the worker that carries out runs, one for each core at once."""
    limit = ("--limit", str(max(2, os.cpu_count() or 2)))
    words = ("worker", "start", "--pool", POOL, "--type", "process", *limit)
    become("prefect", *words, *options, variables=settle_variables(settle_environment()))


def service(model: str) -> NoReturn:
    """Wait for a model's first champion, then become its service."""
    here = settle_environment()
    store = open_store()
    if find_champion(store, model) is None:
        log.info("%s: waits for its first champion", model)
    while find_champion(store, model) is None:
        time.sleep(1)
    place = ("--host", here.host, "--port", str(here.serve_port))
    become("flows.cli", "serve", model, *place, variables=settle_variables(here))


def status() -> None:
    """Say what runs, and which runs and actions went wrong in the last day."""
    here = settle_environment()
    ready = read_ready(here)
    if find_keeper(here.keeper) is None or ready is None:
        raise StartFailed("nothing is running; start it with `make up`")
    say_where(ready, list_definitions())
    settle_for(ready)
    check_password(ready.api)
    import httpx

    from flows.automations import list_mishaps

    try:
        mishaps = list_mishaps()
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        said = f"Prefect's server does not answer: {first_line(error)}"
        raise StartFailed(f"{said}; it is started again by itself, its log says why") from error
    print("\n".join(["went wrong in the last day:", *mishaps] if mishaps else ["all is well"]))


def settle_for(here: Environment) -> None:
    """Let what this process does from now on be about that system and no other."""
    os.environ.update(settle_variables(here) | {"PREFECT_API_URL": here.api})


def put_back_runs() -> None:
    """Let runs that were stopped with their worker start again with the next one."""
    from flows.automations import put_back

    try:
        for name in put_back():
            log.info("run %s was going on; it starts again with the next worker", name)
    except Exception as error:  # the server may be gone: what it keeps is told by its heartbeat
        log.error("runs that were going on cannot be put back: %s", first_line(error))


def wait_for_server(here: Environment, stopping: Event) -> bool:
    """Wait for the server to answer; False if the system is to stop before that."""
    wait_until(lambda: answers(here) or stopping.is_set(), _READY_SECONDS)
    if not answers(here) and not stopping.is_set():
        raise StartFailed(f"Prefect's server: {last_line(here.folder / 'server.log')}")
    return not stopping.is_set()


def answers(here: Environment) -> bool:
    host = here.ui.removeprefix("http://").partition(":")[0]
    connection = HTTPConnection(host, here.ui_port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def start_keeper(here: Environment) -> None:
    """Start the keeper in a session of its own, so that it outlives the terminal."""
    print("starting Prefect's server, a worker and the service ...", flush=True)
    here.folder.mkdir(parents=True, exist_ok=True)
    here.ready.unlink(missing_ok=True)
    with (here.folder / "keeper.log").open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.local_stack", "keep"],
            env=settle_variables(here),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    wait_until(lambda: find_keeper(here.keeper) or keeper.poll() is not None, _READY_SECONDS)


def list_definitions() -> list[str]:
    """Name the models of this project, each of which is served on a port of its own."""
    found = sorted(path.stem.replace("_", "-") for path in DEFINITIONS.glob("*.toml"))
    if not found or not _PROJECT.is_file():
        missing = _PROJECT if found else f"definition in {DEFINITIONS}/"
        raise DefinitionError(f"there is no {missing} here; {_PLACE}")
    return found


def refuse_taken_ports(here: Environment, services: int) -> None:
    wanted = {here.ui_port: "PERENNIAL_UI_PORT"}
    wanted |= {here.serve_port + place: "PERENNIAL_SERVE_PORT" for place in range(services)}
    for port, variable in wanted.items():
        if not is_free(here.host, port):
            raise StartFailed(f"port {port} is taken by another program; give another {variable}")


def say_where(here: Environment, models: list[str]) -> None:
    print(f"Perennial{f' ({here.name})' if here.name else ''} runs on {here.root}")
    print(f"  UI            {here.ui}")
    store = open_store(here.root)
    for place, model in enumerate(models):
        port = here.serve_port + place
        url = f"{here.ui.rpartition(':')[0]}:{port}"
        champion = find_champion(store, model)
        said = f"follows the champion, {champion.version}" if champion else "waits for a champion"
        if champion and not wait_until(partial(is_ready, port), _SERVICE_SECONDS):
            said += "; does not answer yet, its log says why"
        print(f"  {model:<13} {url}  ({said})")
    print(f"  logs          {here.folder}")
    word = tell_password(here.password) if here.password.exists() else ""
    print(f"for `prefect` and `perennial` in this shell: export PREFECT_API_URL={here.api} {word}")


def become(module: str, *words: str, variables: Mapping[str, str]) -> NoReturn:
    """Go on as another program, in the same process."""
    os.execve(sys.executable, [sys.executable, "-P", "-m", module, *words], dict(variables))


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1].removeprefix("perennial: ") if lines else "it said nothing"


COMMANDS: dict[str, Callable[..., None]] = {
    "up": up,
    "down": down,
    "status": status,
    "keep": keep_all,
    "server": server,
    "register": register,
    "worker": worker,
    "service": service,
}

if __name__ == "__main__":
    main()
