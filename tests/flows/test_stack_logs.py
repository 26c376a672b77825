"""Logs are found by part or by model, read by their last lines, and followed in whole lines."""

from pathlib import Path
from threading import Timer

import pytest

from flows.stack_logs import find_logs, follow_logs, read_logs
from tasks.core.errors import DefinitionError, StartFailed
from tasks.processes.settings import settle_environment

pytestmark = pytest.mark.usefixtures("free_ports")


@pytest.fixture
def logs() -> dict[str, Path]:
    folder = settle_environment().folder
    folder.mkdir(parents=True)
    for name in ("server", "service-churn"):
        (folder / f"{name}.log").write_text("one\ntwo\n")
    return find_logs()


def test_logs_that_are_not_there_are_said() -> None:
    with pytest.raises(StartFailed, match=r"there are no logs in .*run; start the system"):
        find_logs()


def test_log_is_found_by_its_part_or_its_model(logs: dict[str, Path]) -> None:
    assert [*logs] == ["server", "service-churn"]
    assert [*find_logs("churn")] == ["service-churn"]
    assert read_logs(find_logs("server"), 1) == {"server": ["two"]}
    with pytest.raises(DefinitionError, match="no part is named 'serve'; did you mean 'server'"):
        find_logs("serve")


def test_only_whole_new_lines_are_followed(logs: dict[str, Path]) -> None:
    following = follow_logs(logs)
    with logs["server"].open("a") as file:
        # The generator opens the files with its first step: what is there then is not new.
        file.write("thr")
        file.flush()
        later = Timer(0.5, lambda: (file.write("ee\n"), file.flush()))
        later.start()
        assert next(following) == ("server", "ee")
        following.close()
        later.join()
