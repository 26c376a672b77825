"""What waits elsewhere is called by name, and no fault of it is hidden or fails a run."""

import logging

import pytest
from receivers import receiving

from tasks.notifications.ping import PING, ping


def test_address_is_called_with_the_models_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ping("churn")
    with receiving() as there:
        monkeypatch.setenv(PING, f"http://{there.place}/secret/{{model}}?x=1")
        ping("churn")
        assert there.called == ["/secret/churn?x=1"]


def test_fault_is_logged_without_the_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "perennial.notifications")
    with receiving() as there:
        there.status = 500
        monkeypatch.setenv(PING, f"http://{there.place}/secret")
        ping("churn")
        closed = there.place
    for url in (f"http://{closed}/secret", "ftp://h/secret", "http://h:0x/secret"):
        monkeypatch.setenv(PING, url)
        ping("churn")
    said = [each.getMessage() for each in caplog.records]
    assert [each.split(";")[0] for each in said] == [
        "PERENNIAL_PING_URL answered 500",
        "PERENNIAL_PING_URL cannot be reached (ConnectError)",
        "PERENNIAL_PING_URL is no http:// or https:// address",
        "PERENNIAL_PING_URL cannot be used (InvalidURL)",
    ]
    assert "secret" not in str(said)
