"""`perennial deploy`: definitions, `prefect.yaml` and Prefect's server brought into agreement.

Not responsible for how either of the two is written (`flows.prefect_file`, `flows.deployments`).
"""

from typing import Any

from flows.local_stack_parts import settle_for
from flows.prefect_connection import check_server, find_address
from flows.prefect_file import FILE, FileChange, plan_file, read_entries, write_file
from tasks.core.definition_file import find_definition, list_definitions, load_definition
from tasks.core.errors import DefinitionError, StartFailed
from tasks.processes.settings import read_ready, settle_environment
from tasks.processes.supervisor import find_supervisor


def plan_project(model: str | None = None) -> FileChange:
    """Say what prefect.yaml becomes by this project's definitions, or by one model's."""
    paths = {model: find_definition(model)} if model else list_definitions()
    if not paths:
        find_definition("")  # which says that there is none, and what writes one
    found = {name: load_definition(path) for name, path in paths.items()}
    for name, definition in found.items():
        if definition.name != name:
            raise DefinitionError(
                f"{paths[name]}: name = {definition.name!r}, and the file is called as {name!r} "
                "would be; rename one of the two, for runs find a model by its file"
            )
    return plan_file(found)


def check_project(model: str | None = None) -> dict[str, Any]:
    """Say what would change in prefect.yaml; nothing is written."""
    return {"file": str(FILE), "changes": list(plan_project(model).changes)}


def agree(model: str | None = None) -> tuple[str, ...]:
    """Bring prefect.yaml into agreement with the definitions; give what changed, in words."""
    change = plan_project(model)
    write_file(change)
    return change.changes


def deploy_project(model: str | None = None) -> dict[str, Any]:
    """Bring prefect.yaml, then the server into agreement with the definitions."""
    changes = agree(model)
    settle_server()
    from flows.deployments import register_all

    entries = [each for each in read_entries() if model in (None, each.get("name"))]
    done = register_all(entries, strays=model is None)
    return {"file": str(FILE), "changes": list(changes), **done.model_dump(mode="json")}


def settle_server() -> None:
    """Point this process at the system that runs here, or at the server that is set."""
    here = settle_environment()
    ready = read_ready(here) if find_supervisor(here.keeper) else None
    if ready is not None:
        settle_for(ready)
    elif not find_address():
        said = f"{FILE} agrees with the definitions, but nothing is registered: no server runs"
        raise StartFailed(f"{said} here; start it with `perennial up`, or set PREFECT_API_URL")
    check_server()
