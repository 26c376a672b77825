"""A model's retrains on Prefect's server: the newest ones, and starting one from the page.

A run is a worker's to do, as one that the calendar started; the page only asks for it. Responsible
for asking once: a form names the newest run that it knew of. Not responsible for what a run does
(`flows.retrain`), nor for retrains without a server.
"""

from typing import Any

import httpx

from flows.ui.prefect_api import START_SECONDS, UNREACHED, ask, open_client, start
from tasks.core.errors import PerennialError, first_line, harmless
from tasks.core.names import check_model

_SHOWN, _MOST = 5, 300
_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class NotStarted(PerennialError):
    """A retrain cannot be started now."""


def describe_retrains(model: str) -> dict[str, Any]:
    """Describe a model's newest retrains, and whether one can be started.

    `known` is the newest run's id, without the calendar's coming ones; `server` is None where none
    answers, and False where it has no deployment of this model.
    """
    try:
        with open_client() as client:
            deployment, runs = _read(client, model)
    except UNREACHED:
        return {"server": None, "known": "", "going": False, "runs": []}
    return {
        "server": deployment is not None,
        "known": _newest(runs),
        "going": any(map(_is_going, runs)),
        "runs": [_describe(each) for each in runs],
    }


def start_retrain(model: str, known: str) -> None:
    """Ask for a retrain; NotStarted where one is going on, or the server does not take it.

    `known` is the newest run that was shown. The server makes one run of a flow for each key, which
    names it and the deployment: two clicks are one run, and two models are two.
    """
    try:
        with open_client(START_SECONDS) as client:
            deployment, runs = _read(client, check_model(model))
            if deployment is None:
                raise NotStarted(f"{model}: no deployment `retrain/{model}`: perennial deploy")
            if any(map(_is_going, runs)):
                raise NotStarted(f"{model}: a retrain is going on, or waits for a worker")
            if known != _newest(runs):
                raise NotStarted(f"{model}: another retrain ended meanwhile; look again")
            key = f"page, {deployment} after {known}"
            asked = {"state": {"type": "SCHEDULED"}, "idempotency_key": key}
            start(client, f"/deployments/{deployment}/create_flow_run", asked)
    except httpx.ReadTimeout as error:
        said = f"Prefect's server gave no answer in {START_SECONDS:.0f} s, and may have taken it"
        raise NotStarted(f"{model}: {said}; look again") from error
    except UNREACHED as error:
        said = f"Prefect's server does not take it ({first_line(error)}): is `perennial up` there?"
        raise NotStarted(f"{model}: {said}") from error


def _read(client: httpx.Client, model: str) -> tuple[str | None, list[dict[str, Any]]]:
    """Find a model's deployment, and its newest runs."""
    deployment = _find_deployment(client, model)
    return deployment, _list_runs(client, deployment) if deployment else []


def _newest(runs: list[dict[str, Any]]) -> str:
    return runs[0]["id"] if runs else ""


def _is_going(run: dict[str, Any]) -> bool:
    return run["state_type"] not in _ENDED


def _find_deployment(client: httpx.Client, model: str) -> str | None:
    filters = {"flows": {"name": {"any_": ["retrain"]}}, "deployments": {"name": {"any_": [model]}}}
    found = ask(client, "/deployments/filter", filters)
    return str(found[0]["id"]) if found else None


def _list_runs(client: httpx.Client, deployment: str) -> list[dict[str, Any]]:
    """List the newest runs, without those that the calendar has for later."""
    of_it = {"deployments": {"id": {"any_": [deployment]}}, "sort": "EXPECTED_START_TIME_DESC"}
    found = ask(client, "/flow_runs/filter", of_it)
    return [each for each in found if not _is_coming(each)][:_SHOWN]


def _is_coming(run: dict[str, Any]) -> bool:
    """Tell whether a run is only planned; one that is late, or tried again, is not."""
    planned = run["state_type"] == "SCHEDULED" and run["auto_scheduled"]
    return bool(planned and run["state_name"] != "Late" and not run["run_count"])


def _describe(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": harmless(str(run["name"])[:_MOST]),
        "state": harmless(str(run["state_name"])[:_MOST]),
        "said": harmless(str((run["state"] or {}).get("message") or "")[:_MOST]),
        "since": run["start_time"] or run["expected_start_time"],
        "until": run["end_time"],
    }
