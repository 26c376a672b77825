"""The processes of a service find each other in a folder of their own, and notice who is gone."""

import os
import socket
from pathlib import Path

import pytest

from bentos.worker_group import WorkerGroup, found_group, join_group

GROUP = "PERENNIAL_WORKER_GROUP"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> list[WorkerGroup]:
    monkeypatch.setenv(GROUP, "")
    found_group(2)
    joined = [join_group(1), join_group(2)]
    return [each for each in joined if each is not None]


def test_each_has_a_place_in_one_private_folder(pair: list[WorkerGroup]) -> None:
    assert [each.place for each in pair] == [0, 1]
    assert pair[0].folder == pair[1].folder
    assert pair[0].folder.stat().st_mode & 0o777 == 0o700
    assert join_group(3) is None
    assert join_group(None) is None


def test_one_worker_has_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROUP, "2 /of/another/service")
    found_group(1)
    assert GROUP not in os.environ
    assert join_group(1) is None


def test_a_worker_without_a_socket_is_gone_with_what_it_had(pair: list[WorkerGroup]) -> None:
    here, there = pair
    there.board.set_in_flight(3)
    there.board.set_ready(True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(there.address(1))
        door.listen(0)
        for _ in range(3):  # it need not answer: whoever is busy lives
            here.look()
        assert here.board.is_ready(1)
    here.look()
    assert not here.board.is_ready(1)
    assert here.board.count_in_flight() == 0


def test_one_of_them_does_what_is_due_each_turn(pair: list[WorkerGroup]) -> None:
    here, there = pair
    assert [each.claim("retention", "10") for each in (here, there, here)] == [True, False, False]
    assert there.claim("retention", "11")
    assert [each.name for each in here.folder.glob("claimed-*")] == ["claimed-retention-11"]


def test_a_socket_has_a_short_name_however_deep_the_folder_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setenv(GROUP, "")
    found_group(2)
    group = join_group(1)
    assert group is not None
    assert group.folder.is_relative_to(deep)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(group.address(0))
    assert (group.folder / "worker-0").is_socket()
