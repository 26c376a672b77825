"""Logs are shown from their end and followed from there, line by line, and none is lost."""

from itertools import islice
from pathlib import Path

from flows.part_logs import follow_logs, read_logs


def test_what_is_written_between_showing_and_following_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("one\ntwo\nthree\nhalf")
    with path.open("rb") as file, path.open("a") as writer:
        files = {"worker": file}
        assert read_logs(files, 2) == {"worker": ["two", "three"]}
        writer.write(" a line\nfour\n")
        writer.flush()
        followed = list(islice(follow_logs(files), 2))
    assert followed == [("worker", "half a line"), ("worker", "four")]


def test_no_lines_may_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("one\n")
    with path.open("rb") as file:
        assert read_logs({"worker": file}, 0) == {"worker": []}
