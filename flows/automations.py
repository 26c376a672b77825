"""Prefect automations: crash detection and alerts, beside the triggers in `prefect.yaml`.

1. A run without heartbeats is marked as crashed: its worker was killed with it.
2. Runs that failed or crashed, and actions that the server could not carry out, are told to people:
   where the environment names addresses, and where the definition of the run's model does.

An automation is known by its name, so that registering it again changes nothing. Also responsible
for how the pool's workers start a run, and for reading failed runs and actions from the server.
Not responsible for what a run itself tells (`tasks.notifications`).
"""

import logging
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

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
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry

from flows.prefect_process import prefect_command
from tasks.core.errors import PerennialError, first_line
from tasks.notifications.addresses import Address, given_addresses, list_sections
from tasks.notifications.channels import block_for_server

log = logging.getLogger("perennial.notifications")

SILENCE = timedelta(seconds=90)  # three heartbeats
_OURS = "perennial: "
_SILENT = f"{_OURS}a run that is not heard has crashed"
_FOR_ALL = f"{_OURS}what needs a person"
_FOR_ONE = f"{_OURS}what needs a person of "
# A heartbeat that reaches the server after its run's end is taken for the last word of a run that
# fell silent. The server refuses to change a run that has ended, and no person need hear of it.
_ENDED = "already in terminal state"
_ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
_MISHAPS = {
    "prefect.flow-run.Failed",
    "prefect.flow-run.Crashed",
    "prefect.automation.action.failed",
}
_MISHAP_EVENTS = _MISHAPS | {"perennial.data-broken"}
# What went wrong: the flow and its deployment, where the event has them, or else its resource.
_WHAT = (
    "{% for each in event.related if each.role in ('flow', 'deployment') %}"
    "{{ each.name }} {% else %}{{ event.resource.name }} {% endfor %}"
    "{{ event.event.split('.')[-1] | lower }}"
)
_WHY = (
    "{{ event.resource.name }}: "
    "{{ event.payload.reason or (event.payload.validated_state or {}).message }}"
)


def register_automations(silence: timedelta = SILENCE) -> list[str]:
    """Create or update the server's automations, and give their names."""
    with get_client(sync_client=True) as client:
        wanted = [crash_silent_runs(silence), *tell_people(client)]
        for each in wanted:
            register(client, each)
        names = [each.name for each in wanted]
        idle = {f"{_FOR_ONE}{model}" for model in list_sections()} - set(names)
        for each in client.read_automations():
            if each.name in idle:  # its definition names nobody any more
                client.delete_automation(each.id)
    return names


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


def tell_people(client: SyncPrefectClient) -> Iterator[AutomationCore]:
    """Give an automation for all mishaps, and one for each model that names blocks of its own."""
    everywhere = dict.fromkeys(_keep_blocks(client, given_addresses()))
    if everywhere:
        yield tell_mishaps(_FOR_ALL, everywhere, {})
    for model, section in list_sections().items():
        blocks = [block for block in _find_blocks(client, section.to) if block not in everywhere]
        if blocks:
            related = {"prefect.resource.role": "deployment", "prefect.resource.name": model}
            yield tell_mishaps(f"{_FOR_ONE}{model}", blocks, related)


def tell_mishaps(name: str, blocks: Iterable[UUID], related: dict[str, str]) -> AutomationCore:
    """Tell failed and crashed runs, and failed actions but for those of our own automations.

    A message that cannot be sent is a failed action, too: to tell of it would fail again.
    """
    return AutomationCore(
        name=name,
        trigger=EventTrigger(
            expect=_MISHAPS,
            match=ResourceSpecification({"prefect.resource.name": f"!{_OURS}*"}),
            match_related=ResourceSpecification(related),  # type: ignore[arg-type]
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            SendNotification(block_document_id=block, subject=_WHAT, body=_WHY) for block in blocks
        ],
    )


def _keep_blocks(client: SyncPrefectClient, addresses: Iterable[Address]) -> Iterator[UUID]:
    """Keep each address of the environment as a block on the server, by its place."""
    for place, address in enumerate(addresses, start=1):
        if address.kind == "block":
            yield from _find_blocks(client, [address.label])
            continue
        name = "perennial-alerts" if address.kind == "webhook" else f"perennial-notify-{place}"
        try:
            block = block_for_server(address)
        except PerennialError as error:
            log.warning("%s %s", address.label, first_line(error))
            continue
        yield cast(UUID, block.save(name, overwrite=True))


def _find_blocks(client: SyncPrefectClient, names: Iterable[str]) -> Iterator[UUID]:
    for each in names:
        kind, _, name = each.partition("/")
        try:
            yield client.read_block_document_by_name(name, kind).id
        except ObjectNotFound:
            log.warning("%s is no block on Prefect's server, and is told of no failed run", each)


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
        event=EventNameFilter(name=sorted(_MISHAP_EVENTS)),
        occurred=EventOccurredFilter.model_validate({"since": datetime.now(UTC) - since}),
    )
    with get_client(sync_client=True) as client:
        events = client.read_events(filter=asked, limit=50).events
    return [_describe(each) for each in events if _ENDED not in each.payload.get("reason", "")]


def _describe(event: Event) -> str:
    name = event.resource.get("prefect.resource.name") or event.resource.id
    reason = event.payload.get("reason") or event.resource.get("prefect.state-message") or ""
    first = reason.partition("\n")[0]
    return f"  {event.occurred:%Y-%m-%d %H:%M} {event.event}  {name}  {first}"
