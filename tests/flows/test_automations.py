"""Automations on a real server: what went wrong is told where the project names addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.states import Failed
from receivers import Receiver, receiving
from system import wait_for

from flows.automations import SILENCE, crash_silent_runs, register_automations

MODEL = "churn"
TEXT = 'name = "churn"\nsources.t = "t.csv"\ntarget = { value = "left", kind = "binary" }\n'
TOLD = '[notify]\nto = ["slack-webhook/churn-team", "slack-webhook/nobody"]\n'


@flow(name="retrain")
def breaks() -> None:
    """Fail, as a run does whose sources are gone."""
    raise ValueError("the sources cannot be read")


@pytest.fixture
def client(prefect_harness: None) -> Iterator[SyncPrefectClient]:
    """Give a client, and leave no automation behind."""
    with get_client(sync_client=True) as asked:
        yield asked
        for each in asked.read_automations():
            asked.delete_automation(each.id)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def definition(here: Path) -> Path:
    (here / "deployments").mkdir()
    path = here / "deployments" / "churn.toml"
    path.write_text(TEXT + TOLD)
    return path


def names(client: SyncPrefectClient) -> list[str]:
    return [each.name for each in client.read_automations()]


def test_automation_that_is_there_twice_is_left_once(here: Path, client: SyncPrefectClient) -> None:
    (name,) = register_automations()
    client.create_automation(crash_silent_runs(SILENCE))
    register_automations()
    assert names(client).count(name) == 1


def test_failed_run_is_told_wherever_the_environment_says(
    here: Path,
    client: SyncPrefectClient,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = receiver.place
    SlackWebhook(url=f"json://{place}/").save("everyone", overwrite=True)
    words = f"json://{place}/ http://{place}/ slack-webhook/everyone planted slack-webhook/nobody"
    monkeypatch.setenv("PERENNIAL_NOTIFY", words)
    monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{place}/")
    assert register_automations() == register_automations()
    assert "PERENNIAL_NOTIFY 4 is neither a block" in caplog.text
    assert "slack-webhook/nobody is no block on Prefect's server" in caplog.text
    breaks(return_state=True)
    wait_for(lambda: len(receiver.bodies) == 4, 30)
    for said in receiver.texts:
        assert said.startswith("retrain failed: ")
        assert "ValueError: the sources cannot be read" in said
    held = client.request("POST", "/block_documents/filter", json={}).text
    assert f"{place}/" not in held  # its secrets are given to nobody who only looks


def test_message_that_cannot_be_sent_is_not_told_of_again(
    here: Path,
    client: SyncPrefectClient,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver.status = 500
    monkeypatch.setenv("PERENNIAL_NOTIFY", f"json://{receiver.place}/")
    register_automations()
    breaks(return_state=True)
    asked = {"filter": {"event": {"name": ["prefect.automation.action.failed"]}}}
    wait_for(lambda: client.request("POST", "/events/filter", json=asked).json()["events"], 30)
    assert len(receiver.bodies) == 1


def test_failed_run_of_a_model_is_told_where_its_definition_says(
    client: SyncPrefectClient, receiver: Receiver, definition: Path
) -> None:
    SlackWebhook(url=f"json://{receiver.place}/").save("churn-team", overwrite=True)
    name = "perennial: what needs a person of churn"
    assert name in register_automations()
    flow_id = client.create_flow_from_name("retrain")
    for model in ("other", MODEL):
        deployment = client.create_deployment(flow_id, model)
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Failed(message=f"{model} broke"), force=True)
    wait_for(lambda: receiver.bodies, 30)
    (said,) = receiver.texts
    assert said.startswith("retrain churn failed: ")
    assert said.endswith("churn broke")
    definition.write_text(TEXT)
    assert name not in register_automations()
    assert name not in names(client)
