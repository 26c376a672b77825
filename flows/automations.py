"""Prefect automations: crash detection and alerts, beside the triggers in `prefect.yaml`.

1. A run without heartbeats is marked as crashed: its worker was killed with it.
2. What needs a person is posted to PERENNIAL_ALERTS_URL, if that is set: broken data, runs that
   failed or crashed, and actions that the server could not carry out.

An automation is known by its name, so that registering it again changes nothing. Also responsible
for how the pool's workers start a run, and for reading failed runs and actions from the server.
"""

import os
import shlex
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

from flows.prefect_process import prefect_command

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
    """Create or update the server's automations, and give their names."""
    wanted = [crash_silent_runs(silence)]
    if url := os.environ.get("PERENNIAL_ALERTS_URL"):
        wanted.append(alert_person(url))
    with get_client(sync_client=True) as client:
        for each in wanted:
            register(client, each)
    return [each.name for each in wanted]


def register(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Create an automation, or update the one of its name and delete any duplicates."""
    found = [each for each in client.read_automations() if each.name == wanted.name]
    if found:
        client.update_automation(found[0].id, wanted)
    else:
        client.create_automation(wanted)
    for extra in found[1:]:
        client.delete_automation(extra.id)


def crash_silent_runs(silence: timedelta) -> AutomationCore:
    """Mark a run as crashed, and so free its slot, after `silence` without a heartbeat."""
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
    """Post what needs a person to a webhook, as the JSON that chats take."""
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
    """Let a pool's workers start each run with this interpreter, in one process.

    Without a command of its own, a run is a process that prepares another: two starts of Python.
    What lies in the project's folder is then not taken for ours (`flows.prefect_process`).
    The command is no variable: whoever may start a run may not say by what.
    """
    with get_client(sync_client=True) as client:
        template = client.read_work_pool(pool).base_job_template
        template["variables"]["properties"].pop("command", None)
        template["job_configuration"]["command"] = shlex.join(prefect_command("prefect.engine"))
        client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))


def put_back() -> list[str]:
    """Reschedule all deployments' runs that are running or pending, and give their names.

    Other runs continue in the process that a person started, or restart with their parent run.
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
    """List failed and crashed runs, and failed actions, of the last day; one line each."""
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
