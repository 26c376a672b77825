"""What a look of the monitor asks for: an action of a person, patience, or nothing.

Responsible for which alerts are for people, and for the sentence. Not responsible for what is an
alert (`tasks.monitoring.findings`).
"""

from tasks.monitoring.alert_deduplication import SentAlert
from tasks.monitoring.findings import MonitoringResult

EVENTS = {
    "new-data": "Enough new data for a retrain",
    "quality-lost": "Quality has dropped",
    "distribution-moved": "Inputs or predictions have drifted",
    "data-broken": "Data looks broken: check it by hand",
}
ACT, MENDS, CALM = "action needed", "mends itself", "no action needed"


def name_state(found: MonitoringResult) -> str:
    """Name what a look asks for: an action of a person, patience, or nothing.

    Action is for what nobody else mends: broken data, a candidate that waits, and a retrain that
    was refused. New data, drift and lost quality ask for a retrain, which the deployment's triggers
    start; an alert that was not heard is sent again; one that is held back for a look at the past
    asks for nothing.
    """
    if found.refused or any(needs_person(each) for each in found.alerts):
        return ACT
    mending = any(each.state != "held back" for each in found.alerts)
    return MENDS if mending or (found.base_rate and found.base_rate.written) else CALM


def needs_person(alert: SentAlert) -> bool:
    """Tell whether an alert is for a person: nothing that is deployed mends it."""
    return alert.waits or (alert.kind == "data-broken" and alert.state != "held back")


def explain_state(found: MonitoringResult) -> str:
    """Say in a sentence whether the champion needs action, and why, or what mends it."""
    version, model = found.watch.version, found.watch.definition.name
    state = name_state(found)
    if state == CALM:
        return f"{version} needs no action."
    if state == ACT:
        alerts = [each for each in found.alerts if needs_person(each)]
        said = [each.detail if each.waits else EVENTS[each.kind].lower() for each in alerts]
        if found.refused:
            said.append(f"the retrain was refused, {found.refused}")
        return f"{version} needs action: {'; '.join(dict.fromkeys(said))}."
    alerts = [each for each in found.alerts if each.state != "held back"]
    if not alerts:
        return f"{version} needs no action: its answers are corrected for the new base rate."
    named = "; ".join(dict.fromkeys(EVENTS[each.kind].lower() for each in alerts))
    return (
        f"{version}: {named}. Where its deployments run, a retrain starts by itself; "
        f"elsewhere: perennial retrain {model}."
    )
