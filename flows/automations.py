"""Automations: what Prefect's server does by itself, beside the triggers in `prefect.yaml`.

1. A run that is heard no more has crashed: its worker was killed with it, and nobody else says so.
2. Whatever needs a person is told to PERENNIAL_ALERTS_URL, if there is one: broken data, runs that
   failed or crashed, and actions that the server could not carry out.

Registering them again changes nothing: an automation is known by its name. How the pool's workers
start a run is settled here, and what became of runs and actions is read from the server, too.
"""

import os
import shlex
import sys
from datetime import UTC, timedelta
from typing import cast
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events import Event, ResourceSpecification
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.states import AwaitingRetry
from prefect.types import DateTime

SILENCE = timedelta(seconds=90)  # three heartbeats
_SILENT = "perennial: a run that is not heard has crashed"
# A heartbeat that reaches the server after its run's end is taken for the last word of a run that
# fell silent. The server refuses to change a run that has ended, and no person need hear of it.
_ENDED = "already in terminal state"
_ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
_MISHAPS = {
    "prefect.flow-run.Failed",
    "prefect.flow-run.Crashed",
    "prefect.automation.action.failed",
}
_SAID = (
    "{{ event.resource.name }}: "
    "{{ event.payload.reason or (event.payload.validated_state or {}).message }}"
)
_FOR_A_PERSON = _MISHAPS | {"perennial.data-broken"}


def register_automations(silence: timedelta = SILENCE) -> list[str]:
    """Make the server's automations what they are here, and give their names."""
    wanted = [crash_silent_runs(silence)]
    if url := os.environ.get("PERENNIAL_ALERTS_URL"):
        wanted.append(alert_person(url))
    with get_client(sync_client=True) as client:
        for each in wanted:
            register(client, each)
    return [each.name for each in wanted]


def register(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Create an automation, or change the one of that name; any more of that name go."""
    found = [each for each in client.read_automations() if each.name == wanted.name]
    if found:
        client.update_automation(found[0].id, wanted)
    else:
        client.create_automation(wanted)
    for extra in found[1:]:
        client.delete_automation(extra.id)


def crash_silent_runs(silence: timedelta) -> AutomationCore:
    """Call a run crashed, and so free its place, when it has not been heard for a while."""
    return AutomationCore(
        name=_SILENT,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *_ENDS},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                force=False,
                message=f"not heard for {silence.total_seconds():.0f} s: its process is gone",
            )
        ],
    )


def alert_person(url: str) -> AutomationCore:
    """Post what needs a person to an address, as chats take it."""
    block = CustomWebhookNotificationBlock(
        name="Perennial",
        url=url,
        json_data={"text": "{{subject}}: {{body}}"},
        headers=None,
        cookies=None,
    )
    document = cast(UUID, block.save("perennial-alerts", overwrite=True))
    return AutomationCore(
        name="perennial: what needs a person",
        trigger=EventTrigger(
            expect=_FOR_A_PERSON,
            match=ResourceSpecification({"prefect.resource.name": f"!{_SILENT}"}),
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=document,
                subject="{{ event.event }}",
                body=_SAID,
            )
        ],
    )


def start_runs_directly(pool: str) -> None:
    """Have a pool's workers start each run by this interpreter, in one process.

    Without a command of its own, a run is a process that prepares another: two starts of Python.
    The command is no variable: whoever may start a run may not say by what.
    """
    with get_client(sync_client=True) as client:
        template = client.read_work_pool(pool).base_job_template
        template["variables"]["properties"].pop("command", None)
        command = shlex.join([sys.executable, "-P", "-m", "prefect.engine"])
        template["job_configuration"]["command"] = command
        client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))


def put_back() -> list[str]:
    """Schedule again all runs of deployments that are under way, and give their names.

    Others go on in the process that a person started, or start anew with the run that they are in.
    """
    going = FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
    )
    with get_client(sync_client=True) as client:
        deployed = FlowRunFilterDeploymentId(is_null_=False)
        asked = FlowRunFilter(state=going, deployment_id=deployed)
        runs = client.read_flow_runs(flow_run_filter=asked)
        for run in runs:
            client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
    return [run.name for run in runs]


def list_mishaps(since: timedelta = timedelta(days=1)) -> list[str]:
    """Tell which runs failed or crashed, and which actions the server could not carry out."""
    asked = EventFilter(
        event=EventNameFilter(name=sorted(_FOR_A_PERSON)),
        occurred=EventOccurredFilter(since=DateTime.now(UTC) - since),
    )
    with get_client(sync_client=True) as client:
        events = client.read_events(filter=asked, limit=50).events
    return [_describe(each) for each in events if _ENDED not in each.payload.get("reason", "")]


def _describe(event: Event) -> str:
    name = event.resource.get("prefect.resource.name") or event.resource.id
    reason = event.payload.get("reason") or event.resource.get("prefect.state-message") or ""
    first = reason.partition("\n")[0]
    return f"  {event.occurred:%Y-%m-%d %H:%M} {event.event}  {name}  {first}"
