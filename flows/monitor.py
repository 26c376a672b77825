"""Monitor: how a champion does in production, and which alerts that gives (step 8).

0. The champion, as of when. A model without champion has nothing to be monitored yet.
1. The prediction log: what was served and predicted, put together by the hour.
2. Ground truth: predictions joined by key to matured labels.
3. Quality, measured and estimated, compared with the holdout's and with a challenger's.
4. Drift of inputs and predictions, and its alarms.
5. Training/serving skew: logged rows once more through the training path, cell by cell.
6. The data contract on served rows, and how fresh the sources are.
7. Service health: errors and latency.
8. What is new in the sources, and the next correction of a base rate that is followed.
9. Alerts, each sent once as a Prefect event, for `prefect.yaml` to act on.
10. People are told of these, and of a candidate that still waits for a decision. Where that went
    well, what waits elsewhere for such a look is called (`tasks.notifications.ping`).

The report then lies under the root, at `monitoring/NAME/reports/`, and in Prefect as an artifact;
what was found is kept at `monitoring/NAME/looks/`, for `perennial ui`.
"""

from datetime import datetime
from typing import Any

from prefect import flow

from flows.run_artifacts import leave, link_look
from flows.run_page import conclude, name_run
from tasks.core.definition import Definition
from tasks.monitoring.context import settle_watch
from tasks.monitoring.findings import MonitoringResult, warn_of
from tasks.monitoring.looks import keep_look
from tasks.monitoring.refused_retrain import find_refused
from tasks.monitoring.task import (
    check_contract,
    follow,
    measure_drift,
    measure_quality,
    measure_skewed,
    measure_staleness,
    read_asked,
    read_ground_truth,
    read_new_data,
    read_reference,
    read_service,
    send_alerts,
)
from tasks.notifications.ping import ping
from tasks.notifications.task import tell
from tasks.reports.monitoring import keep_report
from tasks.reports.monitoring_state import explain_state, name_state
from tasks.reports.monitoring_text import describe, write_summary
from tasks.storage.store import open_store, work_folder


@flow(name="monitor", flow_run_name=name_run)
def monitor(model: str, as_of: datetime | None = None) -> dict[str, Any]:
    """Monitor a model's champion as of a time, and send the alerts; give what `--json` prints."""
    watch = settle_watch(model, as_of)
    if isinstance(watch, Definition):
        call_elsewhere(as_of, watch.name, told=tell(open_store().root, watch.name, model))
        said = f"{watch.name}: has no champion to watch yet; approve a candidate first"
        nothing = {"model": watch.name, "champion": None, "events": [], "warnings": [said]}
        return conclude(nothing, "nothing to watch", said)
    store = open_store(watch.root)
    with work_folder(store) as folder:
        served = read_asked(watch, folder)
        ground_truth = read_ground_truth(watch, served, folder)
        reference = read_reference(watch, folder)
        found = MonitoringResult(
            watch=watch,
            served=served,
            ground_truth=ground_truth,
            performance=measure_quality(watch, served, ground_truth, reference),
            staleness=measure_staleness(watch),
            drift=measure_drift(watch, served, reference),
            skew=measure_skewed(watch, served),
            checks=check_contract(watch, served, ground_truth),
            service=read_service(watch),
            new_data=read_new_data(watch),
            base_rate=follow(watch, served, ground_truth),
        )
    found = found.model_copy(update={"alerts": (sent := send_alerts(found))})
    refused = find_refused(store, watch.definition.name, watch.version, sent)
    found = found.model_copy(update={"refused": refused})
    report = keep_report(store, found)
    kept = keep_look(store, found, warn_of(found), report)
    links = link_look(watch.definition.name, kept.name, waits=any(x.waits for x in found.alerts))
    leave(f"monitor-{watch.definition.name}", write_summary(found), links)
    told = tell(watch.root, watch.definition.name, model, found.alerts, report)
    call_elsewhere(as_of, watch.definition.name, told=told)
    return conclude(describe(found, report), name_state(found), explain_state(found))


def call_elsewhere(as_of: datetime | None, model: str, *, told: bool) -> None:
    """Let it be known elsewhere that a look of now has come to its end, and people were told."""
    if told and as_of is None:
        ping(model)
