"""Work beside the server is done again and again, and once more at the end."""

import threading

from bentos.background import BackgroundTask


def test_work_is_repeated_until_it_is_stopped_and_then_ended() -> None:
    done: list[str] = []
    twice = threading.Event()

    def work() -> None:
        done.append("work")
        if len(done) == 2:
            twice.set()

    task = BackgroundTask("test", 0.001, work, last=lambda: done.append("last"))
    task.start()
    assert twice.wait(10)
    task.stop()
    assert done[:2] == ["work", "work"]
    assert done[-1] == "last"
    assert done.count("last") == 1


def test_what_was_never_started_does_nothing_at_its_end() -> None:
    done: list[str] = []
    BackgroundTask("test", 60, lambda: done.append("work"), lambda: done.append("last")).stop()
    assert done == []
