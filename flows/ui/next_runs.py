"""When a model's flows run next: as Prefect's server says, or else as its [schedule] does.

Asked over plain HTTP: Prefect's client takes more memory than all of the page. Not responsible for
schedules themselves (`flows.prefect_file`).
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from cronsim import CronSim

from tasks.core.schedule import Schedule
from tasks.processes.settings import PASSWORDS

_SECONDS, _MOST = 1.0, 200  # a page waits for no server that is slow


def ask_server() -> dict[tuple[str, str], str] | None:
    """Ask for the next run of each flow and model; None where no server is set or it is away."""
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return None
    given = os.environ.get(PASSWORDS[1])
    name, _, word = (given or "").partition(":")
    try:
        with httpx.Client(
            base_url=address,
            auth=(name, word) if given else None,
            timeout=_SECONDS,
            trust_env=False,
            verify=address.startswith("https:"),
        ) as client:
            return dict(reversed([*_list_runs(client)]))  # of two, the earlier one stays
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None


def _list_runs(client: httpx.Client) -> Iterator[tuple[tuple[str, str], str]]:
    """List what is scheduled, the earliest first, by flow and deployment (the model's name)."""
    deployments = {each["id"]: each for each in _ask(client, "/deployments/filter", {})}
    flows = {each["id"]: each["name"] for each in _ask(client, "/flows/filter", {})}
    asked = {
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    for run in _ask(client, "/flow_runs/filter", asked):
        if deployment := deployments.get(run["deployment_id"]):
            flow = flows.get(deployment["flow_id"], "")
            yield (flow, deployment["name"]), run["expected_start_time"].replace("Z", "+00:00")


def _ask(client: httpx.Client, path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(path, json={"limit": _MOST, **asked})
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def next_times(schedule: Schedule, now: datetime) -> dict[str, str]:
    """Give the next time of each flow that its definition has a time for.

    >>> next_times(Schedule(retrain="0 4 * * 1", monitor="never", materialise="never"),
    ...            datetime(2013, 7, 3, tzinfo=UTC))
    {'retrain': '2013-07-08T04:00:00+00:00'}
    """
    zone = ZoneInfo(schedule.time_zone)
    return {
        flow: next(CronSim(cron, now.astimezone(zone))).astimezone(UTC).isoformat()
        for flow, cron in schedule.times()
    }
