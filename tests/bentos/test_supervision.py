"""BentoML starts the workers that a version asks for, again when one died, and ends them all."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from servers import MODEL, Question, Served, Versions, alter, counted, is_ready, serving, wait_for

RESPAWN_SECONDS = 2.0


@pytest.fixture(scope="module")
def pair(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with two workers that may have two requests in flight together."""
    folder = tmp_path_factory.mktemp("pair")
    said = "workers = 2\nconcurrency = 2\nlog_flush_s = 0.1"
    model = alter(versions.folder(versions.second), folder / "model", said)
    (folder / "root" / "predictions" / MODEL / "date=2020-01-01").mkdir(parents=True)
    given = {"PERENNIAL_ROOT": str(folder / "root"), "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir()
    # As in a container, where BentoML would leave a dead worker dead.
    with serving(folder / "server", model, BENTOML_CONTAINERIZED="true", **given) as running:
        wait_for(lambda: len(ready(running)) == 2, 60)
        yield running


def workers(served: Served) -> set[int]:
    return {each.pid for each in psutil.Process(served.process.pid).children()}


def ready(served: Served) -> list[Path]:
    return [*served.output.parents[1].glob("tmp/perennial-workers-*/worker-*")]


def test_each_cpu_is_a_bentos_word_until_it_is_served(versions: Versions, tmp_path: Path) -> None:
    model = alter(versions.folder(versions.second), tmp_path / "model", 'workers = "auto"')
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from bentos.service import service; service.inject_config();"
        "from bentoml._internal.configuration.containers import BentoMLContainer as container;"
        "found = container.config.services['perennial'].workers.get();"
        "print(service.config['workers'], found)"
    )
    given = os.environ | {"PERENNIAL_MODEL": str(model)}
    said = subprocess.check_output([sys.executable, "-c", code], env=given, text=True)
    assert said == "cpu_count 1\n"


def test_two_workers_answer_on_one_port_and_are_counted_as_one(
    pair: Served, questions: list[Question]
) -> None:
    assert len(workers(pair)) == 2
    clients = [pair.client() for _ in range(4)]
    asked = counted(clients[0], 'responses_total{endpoint="/predict",status="200"}')
    for client in clients:
        client.post("/predict", json=questions[:3]).raise_for_status()
    used = {
        process
        for process in workers(pair)
        for each in psutil.Process(process).net_connections()
        if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == pair.port
    }
    assert used == workers(pair)
    now = 'responses_total{endpoint="/predict",status="200"}'
    for client in clients:
        wait_for(lambda client=client: counted(client, now) == asked + 4)  # type: ignore[misc]
        client.close()


def test_the_limit_of_requests_at_once_is_the_services(
    pair: Served, questions: list[Question]
) -> None:
    rows = {"columns": {name: [value] * 10_000 for name, value in questions[0].items()}}
    body = json.dumps(rows).encode()
    kind = {"content-type": "application/json"}

    def ask(client: httpx.Client) -> int:
        return client.post("/explain", content=body, headers=kind).status_code

    clients = [pair.client() for _ in range(6)]
    with ThreadPoolExecutor(len(clients)) as callers:
        statuses = list(callers.map(ask, clients))
    for client in clients:
        client.close()
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 4  # one that comes late finds room again
    with pair.client() as client:
        wait_for(lambda: counted(client, "requests_in_flight") == 0)


def test_one_worker_removes_old_days(pair: Served, questions: list[Question]) -> None:
    root = pair.output.parents[1] / "root" / "predictions" / MODEL
    clients = [pair.client() for _ in range(4)]
    for client in clients:
        client.post("/predict", json=questions[0]).raise_for_status()
        client.close()
    wait_for(lambda: not (root / "date=2020-01-01").exists())
    (group,) = {each.parent for each in ready(pair)}
    assert len(list(group.glob("claimed-retention-*"))) == 1


def test_a_killed_worker_comes_again_at_once_and_no_count_falls(
    pair: Served, questions: list[Question]
) -> None:
    with pair.client() as client:
        client.post("/predict", json=questions[:100]).raise_for_status()
        time.sleep(1.2)  # what it counted is written once a second
        before = counted(client, "rows_total")
    for lost in workers(pair):
        os.kill(lost, signal.SIGKILL)
        wait_for(lambda lost=lost: len(workers(pair) - {lost}) == 2, RESPAWN_SECONDS)  # type: ignore[misc]
        wait_for(lambda: is_ready(pair), 30)
        with pair.client() as client:
            assert counted(client, "rows_total") >= before
    wait_for(lambda: pair.output.read_text().count("Service perennial initialized") == 4, 60)


def test_nothing_of_the_group_is_left(versions: Versions, tmp_path: Path) -> None:
    model = alter(versions.folder(versions.second), tmp_path / "model", "workers = 2\nlog = false")
    (tmp_path / "tmp").mkdir()
    with serving(tmp_path / "server", model, TMPDIR=str(tmp_path / "tmp")) as served:
        wait_for(lambda: len(ready(served)) == 2, 60)
        started = workers(served)
    assert served.process.returncode == 0
    assert not any(map(psutil.pid_exists, started))
    assert ready(served) == []
    assert "Traceback" not in served.output.read_text()
