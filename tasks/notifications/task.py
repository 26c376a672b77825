"""Notifications as one Prefect task: whatever is new about a model is told where it has addresses.

What is new is read from the registry and the ledger, so that a run that was killed before it told
anything leaves that to the next look. Telling never fails a run: what goes wrong is logged.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tasks.core.errors import first_line
from tasks.core.steps import step
from tasks.core.watch_sections import Notify
from tasks.monitoring.alert_deduplication import SentAlert
from tasks.notifications.addresses import find_addresses, find_section
from tasks.notifications.delivery import deliver
from tasks.notifications.messages import (
    Message,
    describe_alert,
    describe_decision,
    describe_refused,
    describe_waiting,
    is_told,
)
from tasks.notifications.told import find_due, remember
from tasks.registry.overview import describe_model, describe_version
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import list_versions
from tasks.storage.store import Store, open_store

log = logging.getLogger("perennial.notifications")

NEWS = timedelta(days=1)  # what is older is history: it is told to nobody who asks from today on
_FOR_PEOPLE = ("quality-lost", "distribution-moved", "data-broken")


def tell(
    root: str, model: str, origin: str = "", alerts: Sequence[SentAlert] = (), report: str = ""
) -> bool:
    """Tell what is new about a model, if anybody is to be told; give whether that went well.

    `origin` is its definition file, where that is not found by the model's name; `alerts` are what
    the monitor just sent, and `report` is where it wrote all it found.
    """
    if not find_addresses(origin or model):
        return True
    return tell_news(root, model, origin or model, tuple(alerts), report)


@step("notifications")
def tell_news(
    root: str, model: str, origin: str, alerts: tuple[SentAlert, ...], report: str
) -> bool:
    """Send every message that is due to every address; log what cannot be sent."""
    try:
        store, addresses = open_store(root), find_addresses(origin)
        messages = find_news(store, model, find_section(origin), alerts, report)
        due = find_due(store, model, addresses, messages)
        done = deliver(due)
        remember(store, model, [each for told in due.values() for each in told], done)
    except Exception as error:  # a run has done its work by now: it must not fail by telling of it
        log.warning("nobody was told of %s: %s", model, first_line(error))
        return False
    subjects = {each.key: each.subject for each in messages}
    for each in done:
        if each.problem:
            log.warning("%s %s; it was not told: %s", each.label, each.problem, subjects[each.key])
        else:
            log.info("%s was told: %s", each.label, subjects[each.key])
    return not any(each.problem for each in done)


def find_news(
    store: Store, model: str, section: Notify, alerts: Sequence[SentAlert] = (), report: str = ""
) -> list[Message]:
    """Find what there is to tell: decisions, refusals, alerts, and what waits for a decision."""
    since, versions = datetime.now(UTC) - NEWS, list_versions(store, model)
    ledger = read_trusted_ledger(store, model)
    messages = [
        describe_decision(model, entry) for entry in ledger if is_told(entry) and entry.time > since
    ]
    messages += [
        describe_refused(made)
        for each in versions.values()
        if each.manifest.time > since
        and (made := describe_version(store, each))["verdict"] == "refused"
    ]
    waiting = describe_model(store, model)["waiting"] if versions else []
    if waiting:
        *others, newest = waiting
        made, held = (
            describe_version(store, versions[newest]),
            [each for each in alerts if each.waits],
        )
        messages.append(describe_waiting(made, others, held, section.remind))
    messages += [
        describe_alert(model, each, report)
        for each in alerts
        if each.kind in _FOR_PEOPLE and each.state != "held back"
    ]
    return messages
