"""One row says how a model is; a model that cannot be read hides no other."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from judged import MODEL, NEW, NEWEST, OLD, put
from looks import keep_looks, make_look

from flows.ui.models_page import describe_inbox, describe_models
from flows.ui.reading import Reader
from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_row_says_what_serves_what_waits_and_how_it_does(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    looks = keep_looks(store, MODEL, OLD, 32)
    (row,) = describe_models(Reader(store), NOW)["models"]
    assert (row["champion"]["version"], row["champion"]["by"]) == (OLD, "Ada <i>")
    assert row["waiting"] == [NEW]
    assert row["look"]["name"] == looks[-1].name
    assert (row["alert"]["look"], row["alert"]["kinds"]) == (looks[29].name, ["quality-lost"])
    page = client.get("/").text
    assert "by Ada &lt;i&gt;" in page
    assert "promised 0.8100" in page
    assert "auc fell &lt;b&gt;on day 29&lt;/b&gt;" in page
    assert client.get("/models.json").json()["models"][0]["waiting"] == [NEW]


def test_quality_of_an_earlier_champion_is_not_shown_as_this_one_s(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    keep_looks(store, MODEL, NEWEST, 1)
    assert "no look since it serves" in client.get("/models").text


def test_quality_that_is_lost_or_only_estimated_is_said(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    keep_looks(store, MODEL, OLD, 30)
    assert "✗ auc <b>0.6000</b>" in client.get("/models").text
    nothing: dict[str, Any] = {"metric": "auc", "estimate": 0.71, "reason": "too few rows"}
    later = make_look(OLD, 40)
    later = later.model_copy(update={"quality": later.quality.model_validate(nothing)})
    store.create(f"monitoring/{MODEL}/looks/{later.name}.json", later.model_dump_json().encode())
    assert "<b>0.7100</b>, estimated<small>too few rows" in client.get("/models").text


def test_model_that_cannot_be_read_says_why_and_hides_no_other(
    store: Store, crowned: Published, client: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "root" / "models" / "broken" / "ledger").mkdir(parents=True)
    (tmp_path / "root" / "models" / "broken" / "ledger" / "000001.json").write_text("{")
    Path("deployments").mkdir()
    Path("deployments", "wrong.toml").write_text("nonsense")
    found = client.get("/models").text
    assert "wrong.toml" in found
    assert f"/models/{MODEL}" in found
    inbox = client.get("/inbox")
    assert inbox.status_code == 200
    assert NEW in inbox.text


def test_inbox_has_the_oldest_first_and_what_was_approved_and_not_released(store: Store) -> None:
    assert describe_inbox(Reader(store)) == {"waiting": [], "problems": []}
    newer, refused = put(store, NEW), put(store, OLD, passed=False)
    put(store, NEWEST, passed=False)
    said: Any = {"version": OLD, "manifest": refused.digest, "approver": "Ada", "reason": "r"}
    append_entry(store, MODEL, action="approve", override=True, **said)
    found = describe_inbox(Reader(store))["waiting"]
    assert [(each["version"], each["approved"]) for each in found] == [(NEW, False), (OLD, True)]
    assert newer.manifest.time < refused.manifest.time


def test_folder_that_a_killed_run_left_is_no_model(store: Store, tmp_path: Path) -> None:
    (tmp_path / "root" / "models" / "nothing").mkdir(parents=True)
    assert describe_models(Reader(store), NOW)["models"] == []


def test_empty_root_says_how_to_begin(client: httpx.Client) -> None:
    assert "perennial init" in client.get("/").text
    assert "Nothing waits" in client.get("/inbox").text


def test_what_waits_leads_to_what_changed(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    link = f'href="/models/{MODEL}/versions/{OLD}/diff/{NEW}"'
    for address in ("/models", "/inbox", f"/models/{MODEL}"):
        assert link in client.get(address).text


def test_run_that_no_worker_takes_is_late(
    store: Store,
    crowned: Published,
    client: httpx.Client,
    prefect_harness: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL
    from prefect.states import Scheduled, State

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    state: State[None] = Scheduled(scheduled_time=NOW)
    with get_client(sync_client=True) as server:
        deployment = server.create_deployment(server.create_flow_from_name("retrain"), MODEL)
        run = server.create_flow_run_from_deployment(deployment, state=state)
        page = client.get("/models").text
        server.delete_flow_run(run.id)
    assert "✗ retrain is late since <time" in page
    assert "is a worker there?" in page
    assert client.get("/models.json").json()["models"][0]["late"] == []
