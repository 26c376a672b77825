"""Prefect's server as a process: it ends with its input, whoever forgot to end it."""

import logging
import subprocess
import sys
import threading

import httpx
import pytest

from flows import prefect_server

ENDING = """
import threading
from flows.prefect_server import end_with_input
threading.Thread(target=end_with_input, daemon=True).start()
print("runs", flush=True)
threading.Event().wait()
"""


def test_process_ends_when_its_input_is_closed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "runs\n"
        process.stdin.write("still here\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.stdin.close()
        assert process.wait(20) == 1


def test_two_words_are_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(sys, "argv", ["prefect_server", "127.0.0.1", "4200"])
    monkeypatch.setattr(prefect_server, "serve", lambda *given: asked.extend(given))
    threads = threading.active_count()
    prefect_server.main()
    assert asked == ["127.0.0.1", 4200]
    assert threading.active_count() == threads


def test_cron_has_times_to_fire_at() -> None:
    """Where it has none, Prefect's server logs why, and schedules nothing."""
    import asyncio

    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron="30 5 * * 1", timezone="Europe/Berlin")
    times = asyncio.run(schedule.get_dates(3))
    assert [(each.weekday(), each.hour, each.minute) for each in times] == [(0, 5, 30)] * 3


def test_address_of_a_webhook_that_failed_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test")
    logger.addFilter(prefect_server.hide_address)
    answer = httpx.Response(500, request=httpx.Request("POST", "http://here/planted-secret"))
    for raises in (answer.raise_for_status, lambda: int("x")):
        try:
            raises()
        except (httpx.HTTPError, ValueError):
            logger.exception("Failed in %s", "consume_loop")
    logger.removeFilter(prefect_server.hide_address)
    assert "a message was not sent: HTTPStatusError" in caplog.text
    assert "planted" not in caplog.text
    assert "invalid literal" in caplog.text
