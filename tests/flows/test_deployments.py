"""What differs from prefect.yaml is registered, and the rest is left alone, on a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.settings import PREFECT_API_URL

from flows.deployments import (
    POOL,
    find_changed,
    let_prefect_register,
    make_pool,
    read_deployments,
    register_all,
)
from flows.prefect_file import plan_file, read_entries, write_file
from tasks.core.definition import parse_definition
from tasks.core.errors import StartFailed

TEXT = "sources.t = 't.csv'\ntarget = { value = 'y', kind = 'binary' }\n"


@pytest.fixture
def client(prefect_harness: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Write the entries of a model into a prefect.yaml, and read them as they are registered."""
    monkeypatch.chdir(tmp_path)
    definition = parse_definition(f"name = 'registered'\n{TEXT}", "registered.toml")
    write_file(plan_file({"registered": definition}))
    return read_entries()


def test_only_what_differs_is_registered(
    client: SyncPrefectClient, entries: list[dict[str, Any]]
) -> None:
    first = register_all(entries)
    assert len(first.changed) == 4
    before = read_deployments(client)["monitor/registered"]
    assert register_all(entries).changed == ()
    entries[0]["schedules"] = []
    entries[0]["triggers"][0]["within"] = 60
    assert [
        entry["entrypoint"] for entry in find_changed(client, entries, read_deployments(client))
    ] == ["flows.retrain:retrain"]
    assert register_all(entries).changed == ("retrain/registered",)
    there = read_deployments(client)
    assert there["retrain/registered"].schedules == []
    assert there["monitor/registered"] == before
    owned = [each for each in client.read_automations() if each.name == "retrain registered"]
    assert [each.trigger.within.total_seconds() for each in owned] == [60]  # type: ignore[union-attr]


def test_deployment_that_no_entry_names_any_more_is_told(entries: list[dict[str, Any]]) -> None:
    register_all(entries)
    assert register_all(entries[:3]).strays == ("score/registered",)
    assert register_all(entries[:3], strays=False).strays == ()


def test_pool_of_another_type_stays_as_it_is(client: SyncPrefectClient) -> None:
    make_pool(client)
    pool = client.read_work_pool(POOL)
    command = pool.base_job_template["job_configuration"]["command"]
    assert command.endswith("flows.prefect_process prefect.engine")
    client.delete_work_pool(POOL)
    client.create_work_pool(WorkPoolCreate(name=POOL, type="kubernetes", base_job_template={}))
    client.update_work_pool(POOL, WorkPoolUpdate(description="ours"))
    make_pool(client)
    assert client.read_work_pool(POOL).base_job_template == {}
    client.delete_work_pool(POOL)


def test_flow_of_the_projects_own_is_registered_by_prefect(
    client: SyncPrefectClient, entries: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    Path("jobs.py").write_text("from prefect import flow\n\n@flow\ndef nightly(): ...\n")
    own = {"name": "own", "entrypoint": "jobs.py:nightly", "work_pool": {"name": POOL}}
    with Path("prefect.yaml").open("a") as file:
        file.write("  - {name: own, entrypoint: 'jobs.py:nightly', work_pool: {name: local}}\n")
    assert "nightly/own" in register_all([*entries, own]).changed
    assert "nightly/own" in read_deployments(client)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(StartFailed, match=r"prefect deploy --name nightly/own: .+"):
        let_prefect_register([own])
    let_prefect_register([])
