"""The board says who has how much, without locks, and forgets who is gone."""

from pathlib import Path

import pytest

from bentos.worker_board import Board, make_board


@pytest.fixture
def boards(tmp_path: Path) -> list[Board]:
    make_board(tmp_path / "board", 3)
    made = [Board(tmp_path / "board", place, 3) for place in range(3)]
    for board in made:
        board.set_ready(True)
    return made


def test_the_worker_with_the_fewest_connections_is_found(boards: list[Board]) -> None:
    assert boards[0].find_idler() is None
    for board, connections in zip(boards, (5, 4, 3), strict=True):
        board.set_open(connections)
    assert [board.find_idler() for board in boards] == [2, 2, None]
    boards[2].set_ready(False)
    assert boards[0].find_idler() == 1


def test_what_was_passed_on_weighs_before_it_is_taken_up(boards: list[Board]) -> None:
    boards[0].set_open(2)
    boards[0].note_passed(1)
    boards[2].note_passed(2)
    boards[0].note_passed(1)
    assert boards[0].find_idler() == 2
    boards[1].note_adopted()
    boards[1].note_adopted()
    assert boards[0].find_idler() == 1


def test_requests_in_flight_are_those_of_all_but_the_dead(boards: list[Board]) -> None:
    for board in boards:
        board.set_in_flight(2)
    assert boards[1].count_in_flight() == 6
    boards[0].clear(2)
    assert boards[1].count_in_flight() == 4
    assert not boards[1].is_ready(2)


def test_who_comes_in_a_dead_ones_place_owes_nothing(boards: list[Board], tmp_path: Path) -> None:
    boards[0].note_passed(1)
    boards[0].set_open(1)
    boards[2].set_open(1)
    assert boards[0].find_idler() is None
    Board(tmp_path / "board", 1, 3).set_ready(True)
    assert boards[0].find_idler() == 1


def test_the_board_of_another_group_is_refused(tmp_path: Path) -> None:
    make_board(tmp_path / "board", 2)
    with pytest.raises(ValueError, match="is not the board of 3 workers"):
        Board(tmp_path / "board", 0, 3)
