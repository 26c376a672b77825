"""A deployment in terms that compare: what an entry of `prefect.yaml` says, and what a server has.

Responsible for which entries are understood here. Not responsible for reading or registering any
(`flows.deployments`).
"""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import DeploymentTriggerTypes
from prefect.events.schemas.automations import AutomationCore
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from flows.prefect_file import find_flow

# What is compared with the server here, in an entry and in the parts of it.
_KNOWN = {
    *("name", "description", "entrypoint", "parameters", "tags", "concurrency_limit"),
    *("work_pool", "schedules", "triggers"),
}
_KNOWN_LIMIT, _KNOWN_TIME = {"limit", "collision_strategy"}, {"cron", "timezone", "active"}
_KNOWN_POOL = {"name", "job_variables"}
_TRIGGER: TypeAdapter[DeploymentTriggerTypes] = TypeAdapter(DeploymentTriggerTypes)


def enter() -> list[dict[str, Any]]:
    """Give the step by which a run enters the folder that it was deployed from."""
    folder = {"directory": str(Path.cwd().resolve())}
    return [{"prefect.deployments.steps.set_working_directory": folder}]


def says_more(entry: Mapping[str, Any]) -> bool:
    """Tell an entry that only Prefect's own command understands: of other flows, or with more."""
    limit = entry.get("concurrency_limit")
    return bool(
        not find_flow(entry)
        or set(entry) - _KNOWN
        or set(entry.get("work_pool") or {}) - _KNOWN_POOL
        or (isinstance(limit, dict) and set(limit) - _KNOWN_LIMIT)
        or any(set(each) - _KNOWN_TIME for each in entry.get("schedules") or [])
        or "{{" in json.dumps(entry, default=str)
    )


def describe_found(found: DeploymentResponse) -> dict[str, Any]:
    """Describe a deployment of the server by what an entry may say of it."""
    limit = found.global_concurrency_limit
    return {
        "description": found.description,
        "entrypoint": found.entrypoint,
        "parameters": found.parameters,
        "schema": found.parameter_openapi_schema,
        "tags": sorted(found.tags),
        "pull": found.pull_steps,
        "pool": found.work_pool_name,
        "job_variables": found.job_variables,
        "limit": limit and limit.limit,
        "strategy": found.concurrency_options and found.concurrency_options.collision_strategy,
        "schedules": [
            each.schedule.model_dump(mode="json", include={"cron", "timezone"})
            | {"active": each.active}
            for each in found.schedules
        ],
    }


def describe_wanted(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an entry of ours in the same words, as Prefect's command would register it."""
    flow = getattr(import_module(f"flows.{find_flow(entry)}"), find_flow(entry))
    pool, limit = entry.get("work_pool") or {}, entry.get("concurrency_limit")
    limit = limit if isinstance(limit, dict) else {"limit": limit}
    return {
        "description": entry.get("description") or flow.description,
        "entrypoint": entry["entrypoint"],
        "parameters": entry.get("parameters") or {},
        "schema": parameter_schema(flow).model_dump(exclude_unset=True),
        "tags": sorted(entry.get("tags") or []),
        "pull": enter(),
        "pool": pool.get("name"),
        "job_variables": pool.get("job_variables") or {},
        "limit": limit.get("limit"),
        "strategy": limit.get("collision_strategy"),
        "schedules": [
            {"timezone": "UTC", "active": True, **each} for each in entry.get("schedules") or []
        ],
    }


def plan_triggers(entry: Mapping[str, Any], deployment: UUID) -> list[AutomationCore]:
    """Make an entry's triggers into the automations that they are on the server."""
    triggers = [_TRIGGER.validate_python(each) for each in entry.get("triggers") or []]
    for trigger in triggers:
        trigger.set_deployment_id(deployment)
    return [trigger.as_automation() for trigger in triggers]


def describe(automation: AutomationCore) -> str:
    """Describe an automation by what it does, without the ids that the server gave it."""
    said = automation.model_dump(mode="json", include={"name", "enabled", "trigger", "actions"})
    trigger = said["trigger"]
    trigger.pop("id", None)
    for key in ("after", "expect", "for_each"):  # sets, whose order says nothing
        trigger[key] = sorted(trigger.get(key, []))
    return json.dumps(said, sort_keys=True)
