"""Events: what the watch over a model tells Prefect, for `prefect.yaml` to act on.

Owns their names and their form. Refuses to know when something is worth telling (`monitoring`,
`alarms`, `arrivals`) and what is done about it (the triggers in `prefect.yaml`).
"""

from typing import Any, Literal

import httpx
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

from tasks.core.errors import EventLost, first_line

# The first three retrain the model; data that is broken is for a person.
Alert = Literal["new-data", "quality-lost", "distribution-moved", "data-broken"]


def emit(model: str, kind: Alert, reason: str, key: str, **payload: Any) -> Event:
    """Tell Prefect's server at once what was found about a model; EventLost if it did not hear.

    `reason` is one line for people. Events with the same `key` have the same cause.
    """
    event = Event(
        event=f"perennial.{kind}",
        resource=Resource(
            {
                "prefect.resource.id": f"perennial.model.{model}",
                "prefect.resource.name": model,
            }
        ),
        payload={**payload, "model": model, "reason": reason, "key": key},
    )
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise EventLost(
            f"perennial.{kind}: Prefect's server did not take the event: {first_line(error)} "
            "(is it running, and is PREFECT_API_URL its address?)"
        ) from error
    return event
