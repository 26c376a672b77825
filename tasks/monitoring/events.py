"""Prefect events: how an alert reaches Prefect's server, whose automations act on it.

Responsible for the names and the form of events. Not responsible for when one is sent
(`alert_deduplication`), nor for what follows (the triggers in `prefect.yaml`).
"""

from typing import Any, Literal

import httpx
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

from tasks.core.errors import EventLost, first_line

# The first three retrain the model; data that is broken is for a person.
AlertKind = Literal["new-data", "quality-lost", "distribution-moved", "data-broken"]


def emit(model: str, kind: AlertKind, reason: str, key: str, **payload: Any) -> Event:
    """Send an event to Prefect's server at once; EventLost if the server did not take it.

    `reason` is one line for people. Events with the same `key` are about the same alert.
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
