"""Two workers under load: releases drop nothing, and a kill costs no client more than one retry."""

import os
import shutil
import signal
import threading
from pathlib import Path

import httpx
import numpy as np
import psutil
from servers import MODEL, Question, Served, Versions, alter, serving, wait_for

from bentos.model import load_folder

CLIENTS = 6


class Client:
    """One connection that asks all the time; what it saw on each, and how often one was reset."""

    def __init__(self, served: Served, questions: list[Question], known: dict[str, list[float]]):
        self.seen: list[list[str]] = [[]]
        self.wrong: list[str] = []
        self.asked = 0
        self._served, self._questions, self._known = served, questions, known
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    @property
    def resets(self) -> int:
        return len(self.seen) - 1

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._served.client() as client:
            while not self._stopping.is_set():
                for place, question in enumerate(self._questions):
                    try:
                        answer = client.post("/predict", json=question)
                    except httpx.TransportError:
                        self.seen.append([])
                        try:
                            answer = client.post("/predict", json=question)
                        except httpx.TransportError as error:
                            self.wrong.append(f"reset twice: {error!r}")
                            return
                    self._note(answer, place)

    def _note(self, answer: httpx.Response, place: int) -> None:
        self.asked += 1
        said = answer.json() if answer.is_success else {"version": answer.text}
        version = said["version"]
        if said.get("prediction") != self._known.get(version, [None] * 99)[place]:
            self.wrong.append(answer.text)
        if self.seen[-1][-1:] != [version]:
            self.seen[-1].append(version)


def workers(served: Served) -> list[psutil.Process]:
    return psutil.Process(served.process.pid).children()


def connections(process: psutil.Process, port: int) -> int:
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port
        for each in process.net_connections()
    )


def test_releases_and_kills_under_load_lose_no_request(
    versions: Versions, questions: list[Question], tmp_path: Path
) -> None:
    first, second, questions = versions.first, versions.second, questions[:20]
    root = tmp_path / "root"
    shutil.copytree(versions.root / "models", root / "models")
    known = {each: predictions(versions, each, len(questions)) for each in (first, second)}
    versions.release(first, root)
    bento = alter(versions.folder(second), tmp_path / "model", "workers = 2")
    given = {"PERENNIAL_ROOT": str(root), "PERENNIAL_FOLLOW": MODEL, "TMPDIR": str(tmp_path)}
    with serving(tmp_path / "server", bento, **given) as served:
        wait_for(lambda: len([*tmp_path.glob("perennial-workers-*/worker-*")]) == 2, 60)
        clients = [Client(served, questions, known) for _ in range(CLIENTS)]
        wait_for(lambda: all(each.asked for each in clients))
        assert all(connections(each, served.port) for each in workers(served))
        for number, version in enumerate((second, first, second)):
            versions.release(version, root)
            wait_for(lambda n=number: all(len(each.seen[0]) == n + 2 for each in clients), 30)  # type: ignore[misc]
        assert [each.seen for each in clients] == [[[first, second, first, second]]] * CLIENTS
        for number, lost in enumerate(workers(served)):
            before, held = resets(clients), connections(lost, served.port)
            os.kill(lost.pid, signal.SIGKILL)
            wait_for(lambda: started(served) == number + 3, 60)  # noqa: B023
            assert resets(clients) - before <= held  # those in flight there, and no other
        for each in clients:
            each.stop()
    assert [each.wrong for each in clients] == [[]] * CLIENTS


def started(served: Served) -> int:
    return served.output.read_text().count("Service perennial initialized")


def resets(clients: list[Client]) -> int:
    return sum(each.resets for each in clients)


def predictions(versions: Versions, version: str, count: int) -> list[float]:
    model = load_folder(versions.folder(version))
    rows = versions.rows.head(count).select(list(model.features.columns))
    return list(np.asarray(model.predictor.predict(model.encode_frame(rows))).tolist())
