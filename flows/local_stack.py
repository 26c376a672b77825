"""The local stack: Prefect's server, a worker and all services on one machine, as one system.

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
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from inspect import signature

import httpx

from flows.local_stack_parts import (
    READY_SECONDS,
    keep_all,
    last_line,
    list_models,
    register,
    server,
    service,
    settle_for,
    worker,
)
from flows.prefect_connection import check_password
from tasks.core.errors import PerennialError, StartFailed, first_line
from tasks.processes.bento_server import is_ready
from tasks.processes.settings import (
    Environment,
    is_free,
    read_ready,
    settle_environment,
    settle_variables,
    tell_password,
)
from tasks.processes.supervisor import find_supervisor, stop_supervisor, wait_until
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

_SERVICE_SECONDS = 30.0


def main() -> None:
    """Run one command; an error is one line on standard error, and an exit code."""
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
    """Start the system in the background, unless it runs already, and print its addresses."""
    here = settle_environment()
    models, told = list_models(), here.password.exists()
    if find_supervisor(here.keeper) is None:
        refuse_taken_ports(here, len(models))
        start_keeper(here)
    wait_until(lambda: read_ready(here) or not find_supervisor(here.keeper), READY_SECONDS)
    ready = read_ready(here)
    if ready is None:
        raise StartFailed(f"the system did not start: {last_line(here.folder / 'keeper.log')}")
    say_where(ready, models)
    if ready.password.exists() and not told:
        print(f"the UI asks for this, now and in {ready.password}: {ready.password.read_text()}")


def down() -> None:
    """Stop the system and all processes that it started."""
    stopped = stop_supervisor(settle_environment().keeper)
    print("stopped" if stopped else "nothing was running")


def status() -> None:
    """Print what runs, and which runs and actions failed in the last day."""
    here = settle_environment()
    ready = read_ready(here)
    if find_supervisor(here.keeper) is None or ready is None:
        raise StartFailed("nothing is running; start it with `make up`")
    say_where(ready, list_models())
    settle_for(ready)
    check_password(ready.api)
    from flows.automations import list_mishaps

    try:
        mishaps = list_mishaps()
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        said = f"Prefect's server does not answer: {first_line(error)}"
        raise StartFailed(f"{said}; it is started again by itself, its log says why") from error
    print("\n".join(["went wrong in the last day:", *mishaps] if mishaps else ["all is well"]))


def start_keeper(here: Environment) -> None:
    """Start the supervisor in a session of its own, so that it outlives the terminal."""
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
    wait_until(lambda: find_supervisor(here.keeper) or keeper.poll() is not None, READY_SECONDS)


def refuse_taken_ports(here: Environment, services: int) -> None:
    """Raise StartFailed for a port that another program uses: the UI's, or one of a service."""
    wanted = {here.ui_port: "PERENNIAL_UI_PORT"}
    wanted |= {here.serve_port + place: "PERENNIAL_SERVE_PORT" for place in range(services)}
    for port, variable in wanted.items():
        if not is_free(here.host, port):
            raise StartFailed(f"port {port} is taken by another program; give another {variable}")


def say_where(here: Environment, models: list[str]) -> None:
    """Print the addresses of the UI and of each model's service, and where the logs are."""
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
