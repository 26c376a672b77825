"""Channels: Prefect's blocks, Apprise's addresses and plain webhooks, on real receivers."""

import logging
from collections.abc import Iterator

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr
from receivers import Receiver, mailing, receiving

from tasks.notifications.addresses import Address
from tasks.notifications.channels import (
    NotDelivered,
    block_for_server,
    explain_failure,
    find_host,
    open_address,
)
from tasks.notifications.messages import Message

MESSAGE = Message(key="k", subject="churn: waits", body="AUC .7 <b>\nRun: perennial approve")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


def url(target: str, kind: str = "url") -> Address:
    return Address(label="the address", kind=kind, target=SecretStr(target))  # type: ignore[arg-type]


def test_webhook_is_posted_what_chats_take(receiver: Receiver) -> None:
    for kind in ("webhook", "url"):
        open_address(url(f"http://{receiver.place}/hook", kind))(MESSAGE)
    assert receiver.texts == [f"{MESSAGE.subject}: {MESSAGE.body}"] * 2


def test_apprise_posts_to_its_services(receiver: Receiver) -> None:
    open_address(url(f"json://{receiver.place}/hook"))(MESSAGE)
    (body,) = receiver.bodies
    assert (body["title"], body["message"]) == (MESSAGE.subject, MESSAGE.body)


def test_mail_reads_as_it_was_written_and_holds_no_markup() -> None:
    with mailing() as box:
        to = f"mailto://127.0.0.1:{box.port}/?from=a@example.org&to=b@example.org&mode=insecure"
        open_address(url(to))(MESSAGE)
    (mail,) = box.mails
    assert mail["Subject"] == MESSAGE.subject
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert plain.splitlines() == MESSAGE.body.splitlines()
    assert "<b>" not in html


def test_blocks_on_the_server_are_sent_to_by_their_name(
    receiver: Receiver, prefect_harness: None
) -> None:
    CustomWebhookNotificationBlock(
        name="x", url=f"http://{receiver.place}/", json_data={"text": "{{body}}"}
    ).save("team", overwrite=True)
    SlackWebhook(url=f"json://{receiver.place}/").save("team", overwrite=True)
    for name in ("custom-webhook/team", "slack-webhook/team"):
        open_address(url(name, "block"))(MESSAGE)
    assert receiver.bodies[0] == {"text": MESSAGE.body}
    assert receiver.bodies[1]["title"] == MESSAGE.subject


def test_block_that_is_not_there_or_does_not_notify_is_refused(prefect_harness: None) -> None:
    with pytest.raises(NotDelivered, match="is no block on Prefect's server"):
        open_address(url("slack-webhook/nobody", "block"))
    with pytest.raises(NotDelivered, match="is no block on Prefect's server"):
        open_address(url("no-such-type/nobody", "block"))
    with (
        temporary_settings({PREFECT_API_URL: ""}),
        pytest.raises(NotDelivered, match="PREFECT_API_URL names none"),
    ):
        open_address(url("slack-webhook/nobody", "block"))
    Secret(value="x").save("a-secret", overwrite=True)
    with pytest.raises(NotDelivered, match="does not notify"):
        open_address(url("secret/a-secret", "block"))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Collect what reaches the root's handlers, at any level."""
    lines, root, library = list[str](), logging.getLogger(), logging.getLogger("apprise")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(handler)
    library.setLevel(logging.DEBUG)
    library.propagate = True  # as before the first message
    yield lines
    library.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def test_refusal_is_explained_without_the_address(
    receiver: Receiver, prefect_harness: None, logged: list[str]
) -> None:
    receiver.status = 404
    hook = f"{receiver.place}/planted-secret"
    SlackWebhook(url=f"json://{hook}").save("refusing", overwrite=True)
    logged.clear()  # of what the test itself made
    said = []
    for address in (
        url("http://[planted-secret/x"),
        url(f"http://{hook}", "webhook"),
        url(f"json://{hook}"),
        url("slack-webhook/refusing", "block"),
        url("json://127.0.0.1:9/planted-secret"),
        url("http://127.0.0.1:9/planted-secret"),
    ):
        with pytest.raises(Exception) as failed:  # noqa: PT011  which is what is explained
            open_address(address)(MESSAGE)
        said.append(explain_failure(failed.value))
    assert said[1] == "answered 404"
    assert all(each.startswith("did not take it: ") for each in said[2:5])
    assert said[5].startswith("cannot be reached")
    assert "planted" not in "".join(said + logged)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (url("nosuch://service"), "is no address of a service that Apprise knows"),
        (url("ftp://here", "webhook"), "is no http"),
    ],
)
def test_address_of_no_service_is_refused(address: Address, said: str) -> None:
    with pytest.raises(NotDelivered, match=said):
        open_address(address)
    with pytest.raises(NotDelivered):
        block_for_server(address)


def test_only_an_address_that_begins_with_a_host_leads_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_host(url("https://hooks.example.org/x")) == ("hooks.example.org", 443)
    assert find_host(url("json://10.0.0.1:8080/x")) == ("10.0.0.1", 8080)
    assert find_host(url("slack://token-a/token-b/token-c")) is None
    assert find_host(url("slack-webhook/team", "block")) is None
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    assert find_host(url("json://hooks.example.org/x")) is None
