"""Channels: what carries a message to an address, a Prefect notification block or Apprise itself.

Responsible for opening an address and for what a failure is called: no word of an address, which
may be its secret, is in that. Not responsible for how long it may take (`delivery`).
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import SecretStr

from tasks.core.errors import PerennialError, first_line, harmless
from tasks.notifications.addresses import Address
from tasks.notifications.messages import Message

if TYPE_CHECKING:
    from prefect.blocks.abstract import NotificationBlock

Send = Callable[[Message], None]
UNKNOWN = "is no address of a service that Apprise knows"
NO_WEBHOOK = "is no http:// or https:// address"
# Schemes whose address begins with a host; in all others a token may stand there.
_PORTS = {"http": 80, "https": 443, "json": 80, "jsons": 443, "form": 80, "forms": 443}
_HEARD = threading.local()


class NotDelivered(PerennialError):
    """An address cannot be used, or did not take a message."""


def open_address(address: Address) -> Send:
    """Give the function that sends to an address; NotDelivered where there can be none."""
    if address.problem:
        raise NotDelivered(address.problem)
    _listen()
    target = address.target.get_secret_value()
    if address.kind == "block":
        return _open_block(target)
    return _open_url(target) if address.kind == "url" else _open_webhook(target)


def find_host(address: Address) -> tuple[str, int] | None:
    """Find the host and port that an address leads to; None where it does not say, or by a proxy.

    >>> find_host(Address(label="", kind="url", target="json://user:pass@hooks.example.org/x"))
    ('hooks.example.org', 80)
    >>> find_host(Address(label="", kind="url", target="slack://token-a/token-b/token-c"))
    """
    url = urlsplit(address.target.get_secret_value())
    port = _PORTS.get(url.scheme)
    if address.kind == "block" or port is None or not url.hostname:
        return None
    if getproxies() and not proxy_bypass(url.hostname):
        return None
    return url.hostname, url.port or port


def block_for_server(address: Address) -> "NotificationBlock":
    """Make the block by which Prefect's server tells an address of the environment.

    That of Slack takes whatever Apprise knows; the one for Apprise in general cannot be kept.
    """
    from apprise import Apprise
    from prefect.blocks.notifications import SlackWebhook

    _listen()
    url = address.target.get_secret_value()
    if address.kind == "url" and Apprise.instantiate(url, suppress_exceptions=True):
        return SlackWebhook(url=address.target)
    if address.problem or not is_webhook(url):
        raise NotDelivered(address.problem or UNKNOWN)
    return webhook_block(url)


def webhook_block(url: str) -> "NotificationBlock":
    """Make a block that posts `{"text": …}`, as chats take it; its address is kept as a secret."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.types import SecretDict

    return CustomWebhookNotificationBlock(
        name="Perennial",
        url="{{url}}",
        json_data={"text": "{{subject}}: {{body}}"},
        headers=None,
        cookies=None,
        secrets=SecretDict({"url": url}),
        timeout=5,
    )


def explain_failure(error: Exception) -> str:
    """Name an error without repeating it, unless it is ours: a library's may hold the address."""
    import httpx

    if isinstance(error, NotDelivered):
        return first_line(error)
    if isinstance(error, httpx.HTTPStatusError):
        return f"answered {error.response.status_code}"
    if isinstance(error, httpx.TimeoutException):
        return "gave no answer in time"
    if isinstance(error, httpx.TransportError):
        return f"cannot be reached ({type(error).__name__})"
    return f"cannot be used ({type(error).__name__})"


def _open_block(name: str) -> Send:
    from prefect.blocks import notifications  # noqa: F401  registers the types of blocks
    from prefect.blocks.abstract import NotificationBlock, NotificationError
    from prefect.blocks.core import Block
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():  # one of Prefect's own would be started to ask it
        raise NotDelivered("is a block on Prefect's server, and PREFECT_API_URL names none")
    load: Any = Block.load
    try:
        block = load(name, _sync=True)
    except (ValueError, ObjectNotFound) as error:
        raise NotDelivered("is no block on Prefect's server") from error
    if not isinstance(block, NotificationBlock):
        raise NotDelivered("is a block that does not notify")
    notify: Any = block.notify

    def send(message: Message) -> None:
        said = _listen()
        with block.raise_on_failure():
            try:
                notify(message.body, message.subject, _sync=True)
            except NotificationError as error:
                raise NotDelivered(_explain_refusal(said, _secrets(block))) from error

    return send


def _open_url(url: str) -> Send:
    from apprise import Apprise, AppriseAsset

    service = Apprise.instantiate(url, suppress_exceptions=True)
    if service is None and is_webhook(url):
        return _open_webhook(url)
    if service is None:
        raise NotDelivered(UNKNOWN)
    client = Apprise(asset=AppriseAsset(app_id="Perennial", app_desc="Perennial", async_mode=False))
    client.add(service)

    def send(message: Message) -> None:
        said = _listen()
        if not client.notify(message.body, message.subject, body_format="text"):
            raise NotDelivered(_explain_refusal(said, [url]))

    return send


def _open_webhook(url: str) -> Send:
    if not is_webhook(url):
        raise NotDelivered(NO_WEBHOOK)
    notify: Any = webhook_block(url).notify

    def send(message: Message) -> None:
        notify(message.body, message.subject, _sync=True)

    return send


def is_webhook(url: str) -> bool:
    """Tell whether a web server can be called by this address."""
    return re.match(r"https?://[^/]", url) is not None


class _Listener(logging.Handler):
    """Keeps what Apprise says in a thread that listens."""

    def emit(self, record: logging.LogRecord) -> None:
        getattr(_HEARD, "lines", []).append(record.getMessage())


def _listen() -> list[str]:
    """Collect what Apprise says in this thread, which is why it refuses; and let nobody else hear.

    Its lines may hold parts of an address.
    """
    logger = logging.getLogger("apprise")
    if not any(isinstance(each, _Listener) for each in logger.handlers):
        logger.addHandler(_Listener())
    logger.propagate = False
    lines: list[str] = []
    _HEARD.lines = lines
    return lines


def _explain_refusal(said: Sequence[str], secrets: Iterable[str]) -> str:
    """Say why a service refused, without any part of its address that could be a secret."""
    told = harmless(said[0].strip().splitlines()[0]) if said and said[0].strip() else ""
    for secret in secrets:
        for part in re.findall(r"[\w.-]{4,}", secret):
            told = told.replace(part, "***")
    return f"did not take it: {told.rstrip('.')}" if told else "did not take it"


def _secrets(block: object) -> list[str]:
    """List what a block keeps secret, whatever its fields are called."""
    held = vars(block).values()
    return [each.get_secret_value() for each in held if isinstance(each, SecretStr)]
