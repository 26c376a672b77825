"""When a model's flows run next: as Prefect's server says, or else as its [schedule] does.

Not responsible for schedules themselves (`flows.prefect_file`).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
from cronsim import CronSim

from flows.ui.prefect_api import UNREACHED, ask, open_client
from tasks.core.schedule import Schedule

FLOWS = ("retrain", "monitor")
_LATE = timedelta(minutes=1)  # a worker asks for runs every second
_RUNS = 200  # the server gives no more at once
_SCHEDULED = {
    "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    "sort": "EXPECTED_START_TIME_ASC",
}


def ask_server() -> dict[tuple[str, str], str] | None:
    """Ask for the next run of each flow and model; None where no server is set or it is away."""
    try:
        with open_client() as client:
            return dict(_list_runs(client))
    except UNREACHED:
        return None


def list_late(times: Mapping[str, str], now: datetime) -> list[str]:
    """List the flows whose run should have begun by now.

    >>> list_late({"retrain": "2013-07-01T04:00:00+00:00"}, datetime(2013, 7, 1, 5, tzinfo=UTC))
    ['retrain']
    """
    return [flow for flow, at in times.items() if now - datetime.fromisoformat(at) > _LATE]


def _list_runs(client: httpx.Client) -> Iterator[tuple[tuple[str, str], str]]:
    """Give each flow and deployment (the model's name) with the time of its next run."""
    for flow in FLOWS:
        of_flow = {"flows": {"name": {"any_": [flow]}}}
        deployments = ask(client, "/deployments/filter", of_flow)
        runs = ask(client, "/flow_runs/filter", of_flow | _SCHEDULED | {"limit": _RUNS})
        if len(runs) == _RUNS:  # some that run often may hide others
            runs = []
            for each in deployments:
                one = {"deployments": {"id": {"any_": [each["id"]]}}, "limit": 1}
                runs += ask(client, "/flow_runs/filter", one | _SCHEDULED)
        times = {run["deployment_id"]: run["expected_start_time"] for run in reversed(runs)}
        for each in deployments:
            if time := times.get(each["id"]):
                yield (flow, each["name"]), time.replace("Z", "+00:00")


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
