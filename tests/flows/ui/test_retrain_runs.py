"""A retrain is started once, on the server; without one the page says what to do."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from judged import MODEL

from flows.ui.retrain_runs import NotStarted, describe_retrains, start_retrain

RETRAIN = f"/models/{MODEL}/retrain"


def list_runs(client: Any) -> Any:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    of_it = DeploymentFilter(name=DeploymentFilterName(any_=[MODEL]))
    return client.read_flow_runs(deployment_filter=of_it)


@pytest.fixture
def deployed(prefect_harness: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of a server with a deployment, which has a run planned for later."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    yearly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 0 1 1 *"))
    with get_client(sync_client=True) as client:
        for run in list_runs(client):  # other tests' deployments have this name, too
            client.delete_flow_run(run.id)
        flow = client.create_flow_from_name("retrain")
        deployment = client.create_deployment(flow, MODEL, schedules=[yearly])
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment})
        yield client
        client.delete_deployment(deployment)


def fill(client: httpx.Client) -> dict[str, str]:
    page = client.get(f"/models/{MODEL}").text
    form = re.search(r'<form method="post" action="[^"]*/retrain".*?</form>', page, re.DOTALL)
    assert form is not None, page
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


@pytest.mark.usefixtures("candidates")
def test_page_starts_one_retrain_however_often_it_is_clicked(
    client: httpx.Client, deployed: Any
) -> None:
    form = fill(client)
    assert client.post(RETRAIN, data={**form, "token": ""}).status_code == 403
    assert client.post(RETRAIN, data=form, headers={"origin": "http://evil"}).status_code == 403
    answer = client.post(RETRAIN, data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/models/{MODEL}#retrains")
    again = client.post(RETRAIN, data=form)
    assert again.status_code == 409
    assert "a retrain is going on" in again.text
    found = list_runs(deployed)
    assert [each.auto_scheduled for each in found].count(False) == 1 < len(found)
    shown = client.get(f"/models/{MODEL}.json").json()["retrains"]
    assert [each["state"] for each in shown["runs"]] == ["Scheduled"]
    assert shown["going"]
    assert "Look again" in client.get(f"/models/{MODEL}").text


def test_first_retrains_of_two_models_are_two(deployed: Any) -> None:
    flow = deployed.create_flow_from_name("retrain")
    second = deployed.create_deployment(flow, "another")
    try:
        for model in (MODEL, "another"):
            start_retrain(model, "")
            assert len(describe_retrains(model)["runs"]) == 1
    finally:
        deployed.delete_deployment(second)


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/api", "nonsense"])
def test_without_a_server_the_page_says_the_command(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    assert f"perennial retrain {MODEL}" in client.get(f"/models/{MODEL}").text
    with pytest.raises(NotStarted, match="is `perennial up` there"):
        start_retrain(MODEL, "")


def test_model_without_a_deployment_is_told_apart(
    prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    assert describe_retrains("never-deployed")["server"] is False
    with pytest.raises(NotStarted, match="no deployment"):
        start_retrain("never-deployed", "")


def test_server_that_gives_no_answer_in_time_may_have_taken_it(
    deployed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.ui import prefect_api

    monkeypatch.setattr(prefect_api, "START_SECONDS", 0.001)
    with pytest.raises(NotStarted, match="may have taken it; look again"):
        start_retrain(MODEL, "")
