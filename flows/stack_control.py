"""Start, stop and look at the local stack: what `perennial up`, `down` and `ps` do.

Responsible for one system of a project on one machine: it is found where it runs, and only it is
stopped. Not responsible for what its parts do (`flows.local_stack_parts`) and say (`part_logs`).
"""

import subprocess
import sys
from functools import partial
from typing import Any

import httpx

from flows.local_stack_parts import (
    READY_SECONDS,
    answers,
    last_line,
    list_models,
    settle_for,
)
from flows.prefect_connection import check_password
from tasks.core.definition import Frozen
from tasks.core.errors import StartFailed, first_line
from tasks.processes.bento_server import is_ready, stop_server
from tasks.processes.settings import (
    Environment,
    is_free,
    read_ready,
    settle_environment,
    settle_variables,
)
from tasks.processes.supervisor import (
    find_running,
    find_supervisor,
    let_outlive,
    open_private,
    stop_supervisor,
    wait_until,
)
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

_SERVICE_SECONDS = 30.0


class Part(Frozen):
    """One process of the system, where it answers and how it is."""

    name: str
    pid: int | None
    url: str
    well: bool
    detail: str


class Stack(Frozen):
    """A system that runs: where its state is, where it answers, and each of its parts."""

    environment: Environment
    parts: tuple[Part, ...]
    is_new: bool = False  # its password was made just now

    def describe(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        here = self.environment
        return {
            "root": here.root,
            "ui": here.ui,
            "page": here.address_of(here.page_port),
            "api": here.api,
            "password": str(here.password) if here.password.exists() else None,
            "logs": str(here.folder),
            "parts": [part.model_dump() for part in self.parts],
        }


def bring_up() -> Stack:
    """Start the system in the background, unless it runs already, and wait until it answers."""
    here, models = settle_environment(), list_models()
    is_new, started = not here.password.exists(), None
    if find_supervisor(here.keeper) is None:
        refuse_taken_ports(here, len(models))
        started = start_keeper(here)
    wait_until(lambda: read_ready(here) or not find_supervisor(here.keeper), READY_SECONDS)
    ready = read_ready(here)
    if ready is None:
        if started is not None:
            stop_server(started)
        raise StartFailed(f"the system did not start: {last_line(here.folder / 'keeper.log')}")
    if keeper := find_supervisor(here.keeper):
        let_outlive(keeper)  # not before: an `up` that is interrupted leaves nothing
    return look(ready, patience=_SERVICE_SECONDS).model_copy(update={"is_new": is_new})


def bring_down() -> bool:
    """Stop the system and all processes that it started; False where none runs."""
    return stop_supervisor(settle_environment().keeper)


def find_stack() -> Stack:
    """Look at the system that runs; StartFailed where none does."""
    here = settle_environment()
    ready = read_ready(here)
    if find_supervisor(here.keeper) is None:
        raise StartFailed("nothing is running; start it with `perennial up`")
    if ready is None:
        raise StartFailed("the system is starting; `perennial logs` shows how far it is")
    return look(ready)


def start_keeper(here: Environment) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, so that it outlives the terminal."""
    here.folder.mkdir(parents=True, exist_ok=True)
    here.ready.unlink(missing_ok=True)
    with open_private(here.folder / "keeper.log", "wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.local_stack", "keep"],
            env=settle_variables(here),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    wait_until(lambda: find_supervisor(here.keeper) or keeper.poll() is not None, READY_SECONDS)
    return keeper


def refuse_taken_ports(here: Environment, services: int) -> None:
    """Raise StartFailed for a port that another program uses: the UI's, or one of a service."""
    wanted = {here.ui_port: "PERENNIAL_UI_PORT", here.page_port: "PERENNIAL_PAGE_PORT"}
    wanted |= {here.serve_port + place: "PERENNIAL_SERVE_PORT" for place in range(services)}
    for port, variable in wanted.items():
        if not is_free(here.host, port):
            raise StartFailed(f"port {port} is taken by another program; give another {variable}")


def look(here: Environment, patience: float = 0.0) -> Stack:
    """Look at each part; a service that has a champion may take `patience` to answer."""
    parts = [look_at_server(here), look_at_worker(here), look_at_page(here, patience)]
    parts += [look_at_service(here, model, patience) for model in here.models]
    parts += [tell_new(model) for model in list_models() if model not in here.models]
    return Stack(environment=here, parts=tuple(parts))


def look_at_server(here: Environment) -> Part:
    """Ask Prefect's server whether it is healthy."""
    well = answers(here)
    said = "answers" if well else "does not answer; it is started again by itself, its log says why"
    return Part(name="server", pid=_pid(here, "server"), url=here.ui, well=well, detail=said)


def look_at_worker(here: Environment) -> Part:
    """Find the worker's process."""
    pid = _pid(here, "worker")
    said = "carries out runs" if pid else "does not run; it is started again by itself"
    return Part(name="worker", pid=pid, url="", well=pid is not None, detail=said)


def look_at_page(here: Environment, patience: float) -> Part:
    """Ask the page over all models whether it is there: without a password it says so, too."""

    def asks() -> bool:
        try:
            url = here.address_of(here.page_port)
            return httpx.get(url, timeout=2, trust_env=False, verify=False).status_code == 401
        except httpx.HTTPError:
            return False

    well = bool(wait_until(asks, patience))
    said = "one page over all models" if well else "does not answer yet, its log says why"
    url, pid = here.address_of(here.page_port), _pid(here, "ui")
    return Part(name="ui", pid=pid, url=url, well=well, detail=said)


def look_at_service(here: Environment, model: str, patience: float) -> Part:
    """Ask a model's service whether it is ready; without a champion it waits for one."""
    port, name = here.port_of(model), f"service-{model}"
    champion = find_champion(open_store(here.root), model)
    well = champion is None or bool(wait_until(partial(is_ready, port), patience))
    said = f"follows the champion, {champion.version}" if champion else "waits for a champion"
    if not well:
        said += "; does not answer yet, its log says why"
    url = here.address_of(port)
    return Part(name=name, pid=_pid(here, name), url=url, well=well, detail=said)


def tell_new(model: str) -> Part:
    """Tell of a model that came after the system was started."""
    said = "is new: served from the next `perennial down && perennial up` on"
    return Part(name=f"service-{model}", pid=None, url="", well=True, detail=said)


def list_mishaps(stack: Stack) -> list[str]:
    """List what failed in the last day, as the system's own server tells where it answers."""
    here = stack.environment
    if not answers(here):
        return []
    settle_for(here)
    check_password(here.api)
    from flows import automations

    try:
        return automations.list_mishaps()
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise StartFailed(f"Prefect's server does not answer: {first_line(error)}") from error


def _pid(here: Environment, name: str) -> int | None:
    return find_running(here.folder / f"{name}.pid")
