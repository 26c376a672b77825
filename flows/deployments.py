"""Deployments on Prefect's server: which differ from `prefect.yaml`, and registering those.

What is as it must be is left alone, so that its scheduled runs stay. `prefect deploy` registers the
same, with ten requests for each deployment instead of one; what only it understands is left to it.
Not responsible for `prefect.yaml` itself (`flows.prefect_file`).
"""

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyOptions, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import RunDeployment
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows.automations import register_automations, start_runs_directly
from flows.deployment_terms import (
    describe,
    describe_found,
    describe_wanted,
    enter,
    plan_triggers,
    says_more,
)
from flows.prefect_file import find_flow, name_entry
from flows.prefect_process import prefect_command
from tasks.core.definition import Frozen
from tasks.core.errors import StartFailed

POOL = "local"
_PAGE = 200


class Registered(Frozen):
    """What was registered, by FLOW/MODEL, and what was as it must be.

    `strays` are the server's deployments of this folder that no entry names any more.
    """

    changed: tuple[str, ...]
    same: tuple[str, ...]
    strays: tuple[str, ...]
    automations: tuple[str, ...]


def register_all(entries: Sequence[Mapping[str, Any]], strays: bool = True) -> Registered:
    """Register the pool, the entries that differ from the server's, and the automations."""
    with get_client(sync_client=True) as client:
        make_pool(client)
        there = read_deployments(client)
        changed = find_changed(client, entries, there)
        for entry in changed:
            if not says_more(entry):
                register(client, entry)
        left = find_strays(entries, there) if strays else []
    let_prefect_register([entry for entry in changed if says_more(entry)])
    names = [name_entry(entry) for entry in changed]
    return Registered(
        changed=tuple(names),
        same=tuple(name for entry in entries if (name := name_entry(entry)) not in names),
        strays=tuple(left),
        automations=tuple(register_automations()),
    )


def make_pool(client: SyncPrefectClient) -> None:
    """Make the pool of processes, and let it start runs as ours; another type stays as it is."""
    try:
        pool: WorkPool = client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        made = WorkPoolCreate(name=POOL, type="process", base_job_template=template)
        pool = client.create_work_pool(made)
    if pool.type == "process":
        start_runs_directly(POOL)


def find_changed(
    client: SyncPrefectClient,
    entries: Sequence[Mapping[str, Any]],
    there: Mapping[str, DeploymentResponse],
) -> list[Mapping[str, Any]]:
    """Find the entries that the server does not have, or has otherwise, or that say more."""
    owned = read_triggers(client)

    def is_same(entry: Mapping[str, Any]) -> bool:
        found = there.get(name_entry(entry))
        if found is None or says_more(entry):
            return False
        triggers = sorted(describe(each) for each in plan_triggers(entry, found.id))
        same = sorted(owned.get(found.id, [])) == triggers
        return same and describe_found(found) == describe_wanted(entry)

    return [entry for entry in entries if not is_same(entry)]


def find_strays(
    entries: Sequence[Mapping[str, Any]], there: Mapping[str, DeploymentResponse]
) -> list[str]:
    """Find what the server would run in this folder, although no entry says so."""
    named, steps = {name_entry(entry) for entry in entries}, enter()
    return [
        name for name, found in there.items() if found.pull_steps == steps and name not in named
    ]


def register(client: SyncPrefectClient, entry: Mapping[str, Any]) -> None:
    """Register one entry of ours, as `prefect deploy` would."""
    wanted = describe_wanted(entry)
    strategy = wanted["strategy"]
    deployment = client.create_deployment(
        client.create_flow_from_name(find_flow(entry)),
        entry["name"],
        schedules=[
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=each["cron"], timezone=each["timezone"]),
                active=each["active"],
            )
            for each in wanted["schedules"]
        ],
        concurrency_limit=wanted["limit"],
        concurrency_options=strategy and ConcurrencyOptions(collision_strategy=strategy),
        parameters=wanted["parameters"],
        description=wanted["description"],
        work_pool_name=wanted["pool"],
        tags=wanted["tags"],
        entrypoint=wanted["entrypoint"],
        parameter_openapi_schema=wanted["schema"],
        pull_steps=wanted["pull"],
        job_variables=wanted["job_variables"],
    )
    client.delete_resource_owned_automations(f"prefect.deployment.{deployment}")
    for automation in plan_triggers(entry, deployment):
        client.create_automation(automation)


def let_prefect_register(entries: Sequence[Mapping[str, Any]]) -> None:
    """Let Prefect's own command register entries of prefect.yaml that say more than ours."""
    if not entries:
        return
    names = [name_entry(entry) for entry in entries]
    chosen = [word for name in names for word in ("--name", name)]
    command = prefect_command("prefect", "--no-prompt", "deploy", *chosen)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line.strip(" │") for line in (done.stdout + done.stderr).splitlines()]
        last = next((line for line in reversed(said) if line), "it said nothing")
        raise StartFailed(f"prefect deploy --name {' --name '.join(names)}: {last}")


def read_deployments(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """Read all deployments of the server, by FLOW/MODEL."""
    flows = {flow.id: flow.name for flow in client.read_flows(limit=_PAGE)}
    found: list[DeploymentResponse] = []
    while page := client.read_deployments(limit=_PAGE, offset=len(found)):
        found += page
    return {f"{flows.get(each.flow_id)}/{each.name}": each for each in found}


def read_triggers(client: SyncPrefectClient) -> dict[UUID, list[str]]:
    """Read the automations that start a deployment, by its id."""
    owned: dict[UUID, list[str]] = {}
    for automation in client.read_automations():
        for action in automation.actions:
            if isinstance(action, RunDeployment) and action.deployment_id is not None:
                owned.setdefault(action.deployment_id, []).append(describe(automation))
    return owned
