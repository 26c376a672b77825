"""What the pages over all models say: the list of models, and the inbox of what waits."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flows.ui.moved_features import find_moved
from flows.ui.next_runs import FLOWS, ask_server, list_late, next_times
from flows.ui.reading import Reader
from flows.ui.refused_retrains import find_refused
from tasks.core.errors import PerennialError, first_line
from tasks.monitoring.looks import Look, has_new_alert, list_looks
from tasks.registry.ledger import Entry, list_crowned
from tasks.registry.version_status import is_open, list_champions
from tasks.registry.versions import Published, find_unedited


def describe_models(reader: Reader, now: datetime) -> dict[str, Any]:
    """Describe each model in a row; one that cannot be read says why, and hides no other."""
    runs = ask_server()
    rows = []
    for model in reader.models():
        try:
            row = describe_row(reader, model, runs, now)
            if row["versions"] or row["known"] or row["defined"]:  # else a killed run's folder
                rows.append(row)
        except PerennialError as error:
            rows.append({"model": model, "problem": first_line(error)})
    return {"root": reader.store.root, "models": rows, "scheduled": runs is not None}


def describe_row(
    reader: Reader, model: str, runs: dict[tuple[str, str], str] | None, now: datetime
) -> dict[str, Any]:
    """Describe what serves, since when, what waits, how it does, and what comes next."""
    store = reader.store
    versions, ledger = reader.versions(model), reader.ledger(model)
    champion, definition = find_unedited(store, model, ledger), reader.definition(model)
    looks = list_looks(store, model)
    newest = find_look(reader, model, looks)
    alarmed = find_look(reader, model, [each for each in looks if has_new_alert(each)])
    if runs is not None:
        times = {flow: runs[flow, model] for flow in FLOWS if (flow, model) in runs}
    else:
        times = next_times(definition.schedule, now) if definition else {}
    return {
        "model": model,
        "description": definition.description if definition else "",
        "problem": "",
        "defined": definition is not None,
        "versions": len(versions),
        "known": len(ledger),
        "champion": describe_champion(champion, ledger),
        "waiting": [each["version"] for each in find_waiting(reader, model, versions, ledger)],
        "look": newest and describe_look(newest),
        "moved": find_moved(reader, model, looks, newest) if newest else [],
        "alert": alarmed and describe_alert(alarmed),
        "refused": find_refused(reader, model, versions, champion, looks),
        "next": {flow: times[flow] for flow in FLOWS if flow in times},
        "late": list_late(times, now),
    }


def describe_inbox(reader: Reader) -> dict[str, Any]:
    """Describe what waits for a decision, the oldest first."""
    waiting, problems = [], []
    for model in reader.models():
        try:
            found = find_waiting(reader, model, reader.versions(model), reader.ledger(model))
            waiting += [{"model": model, **each} for each in found]
        except PerennialError as error:
            problems.append({"model": model, "problem": first_line(error)})
    waiting.sort(key=lambda each: str(each["published"]))
    return {"waiting": waiting, "problems": problems}


def find_waiting(
    reader: Reader, model: str, versions: dict[str, Published], ledger: list[Entry]
) -> list[dict[str, Any]]:
    """Find what passed its gate and is not decided on; or approved, and not released yet."""
    opened = [each for each in versions.values() if is_open(ledger, model, each.version)]
    approved = {each.version for each in ledger if each.action == "approve"}
    serving = next(iter(list_champions(ledger)[-1:]), None)
    return [
        {**each, "approved": each["version"] in approved, "serving": serving}
        for each in reader.summaries(opened)
        if each["passed"] or each["version"] in approved
    ]


def describe_champion(champion: Published | None, ledger: list[Entry]) -> dict[str, Any] | None:
    """Say what serves, since when, and who decided so."""
    if champion is None:
        return None
    entry = list_crowned(ledger)[-1]
    return {
        "version": champion.version,
        "since": entry.time.isoformat(),
        "by": entry.approver,
        "action": entry.action,
        "override": entry.override,
    }


def find_look(reader: Reader, model: str, names: list[str]) -> Look | None:
    """Find the look about the newest rows."""
    return next(iter(reader.looks(model, names[-1:])), None)


def describe_look(look: Look) -> dict[str, Any]:
    """Describe how a champion does, by one look."""
    return {
        "name": look.name,
        "at": look.at.isoformat(),
        "until": look.until.isoformat(),
        "champion": look.champion,
        "rows": look.rows,
        "labelled": look.labelled,
        "quality": look.quality.model_dump(),
        "alerts": [each.kind for each in look.alerts],
    }


def describe_alert(look: Look) -> dict[str, Any]:
    """Describe the newest of what a look told for the first time."""
    told = [each for each in look.alerts if each.is_new]
    kinds: Iterator[str] = (each.kind for each in told)
    return {
        "look": look.name,
        "at": look.at.isoformat(),
        "kinds": list(dict.fromkeys(kinds)),
        "reason": told[0].reason if told else "",
    }
