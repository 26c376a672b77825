"""The doctor names each address that cannot be used, and sends nothing unless it is asked to."""

import socket
from datetime import UTC, datetime

import pytest
from receivers import receiving
from tables import Project

from tasks.maintenance.address_checks import check_addresses, try_addresses
from tasks.notifications.addresses import given_addresses
from tasks.notifications.delivery import Delivery
from tasks.notifications.told import remember
from tasks.storage.store import open_store


def test_nobody_to_tell_is_no_fault(made: Project) -> None:
    (finding,) = check_addresses()
    assert (finding.name, finding.well) == ("notifications", True)


def test_address_is_reached_but_sent_nothing_until_a_test_is_asked_for(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_NOTIFY", f"json://{there.place}/secret")
        (finding,) = check_addresses()
        assert (finding.name, finding.well) == ("notify PERENNIAL_NOTIFY 1 (json://)", True)
        assert there.bodies == []
        (tried,) = try_addresses()
        assert tried.well
        assert there.texts[0].startswith("Perennial: a test message")
        there.status = 500
        (tried,) = try_addresses()
        assert tried.detail.startswith("did not take it")


def test_address_that_cannot_be_reached_is_named_without_its_secret(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("PERENNIAL_NOTIFY", f"json://127.0.0.1:{port}/secret http://h:0x/secret odd")
    findings = list(check_addresses())
    assert not any(each.well for each in findings)
    assert findings[0].detail == "cannot be reached: Connection refused"
    assert findings[1].detail.startswith("cannot be")
    assert findings[2].detail.startswith("is neither a block")
    assert "secret" not in str(findings)


def test_address_that_did_not_take_the_newest_message_is_named(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{there.place}/")
        (address,) = given_addresses()
        failed = Delivery(label=address.label, key="k", problem="answered 500")
        remember(open_store(), "m", [], [failed])
        (finding,) = check_addresses()
    assert not finding.well
    assert finding.detail.startswith(f"answered 500, at {datetime.now(UTC):%Y}")
    monkeypatch.setenv("PERENNIAL_ROOT", "ftp://nowhere")
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_ALERTS_URL", f"http://{there.place}/")
        (finding,) = check_addresses()
    assert "is not known" in finding.detail


def test_dead_mans_switch_is_reached_but_not_called(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_PING_URL", f"http://{there.place}/secret")
        *_, finding = check_addresses()
        assert (finding.name, finding.well, there.called) == ("PERENNIAL_PING_URL", True, [])
    for url, said in {
        f"http://{there.place}/secret": "cannot be reached: Connection refused",
        "ftp://h/secret": "is no http:// or https:// address",
    }.items():
        monkeypatch.setenv("PERENNIAL_PING_URL", url)
        *_, finding = check_addresses()
        assert (finding.well, finding.detail) == (False, said)
