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

FLOWS = ("retrain", "monitor")
_SECONDS = 1.0  # a page waits for no server that is slow
_MOST, _RUNS = 200, 200  # the server gives no more at once
_SCHEDULED = {
    "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    "sort": "EXPECTED_START_TIME_ASC",
}


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
            return dict(_list_runs(client))
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None


def _list_runs(client: httpx.Client) -> Iterator[tuple[tuple[str, str], str]]:
    """Give each flow and deployment (the model's name) with the time of its next run."""
    for flow in FLOWS:
        of_flow = {"flows": {"name": {"any_": [flow]}}}
        deployments = _ask(client, "/deployments/filter", of_flow)
        runs = _ask(client, "/flow_runs/filter", of_flow | _SCHEDULED | {"limit": _RUNS})
        if len(runs) == _RUNS:  # some that run often may hide others
            runs = []
            for each in deployments:
                one = {"deployments": {"id": {"any_": [each["id"]]}}, "limit": 1}
                runs += _ask(client, "/flow_runs/filter", one | _SCHEDULED)
        times = {run["deployment_id"]: run["expected_start_time"] for run in reversed(runs)}
        for each in deployments:
            if time := times.get(each["id"]):
                yield (flow, each["name"]), time.replace("Z", "+00:00")


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
