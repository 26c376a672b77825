"""Check the addresses where people are told: each can be used, and took the newest message.

Responsible for what `perennial doctor` says of notifications. A message is sent only where a test
is asked for; otherwise a connection is opened, where the address says to which host, and closed.
"""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.core.errors import PerennialError, first_line
from tasks.maintenance.finding import Finding
from tasks.notifications.addresses import ADDRESSES, Address, all_addresses
from tasks.notifications.channels import find_host
from tasks.notifications.delivery import deliver, examine
from tasks.notifications.messages import Message
from tasks.notifications.ping import PING, ping_address
from tasks.notifications.told import recall_trouble
from tasks.storage.store import open_store

_SECONDS = 2.0
_NOBODY = f"nobody is told of what needs a person: set {ADDRESSES}, or [notify] to"
_MEND = "mend the address, and try it: perennial doctor --notify"


def check_addresses() -> Iterator[Finding]:
    """Check each address of this project's models and of the environment, without a message."""
    addresses = all_addresses()
    if not addresses:
        yield Finding(name="notifications", well=True, detail=_NOBODY)
    for address in addresses:
        problem = _find_problem(address)
        detail = problem or "can be used"
        yield Finding(name=f"notify {address.label}", well=not problem, detail=detail, mend=_MEND)
    if elsewhere := ping_address():
        problem = elsewhere.problem or _try_host(elsewhere)
        detail = problem or "is called after each look that went well"
        yield Finding(name=PING, well=not problem, detail=detail, mend=f"mend {PING}")


def try_addresses() -> Iterator[Finding]:
    """Send each address a test message, and say which took it."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    message = Message(
        key="test",
        subject="Perennial: a test message",
        body=f"Sent by `perennial doctor --notify` at {now}. There is nothing to do.",
    )
    for each in deliver({address: [message] for address in all_addresses()}):
        yield Finding(
            name=f"test {each.label}",
            well=not each.problem,
            detail=each.problem or "took a test message",
            mend="look at the address, and at what receives it",
        )


def _find_problem(address: Address) -> str:
    """Say why an address cannot be used, or did not take the newest message; empty if neither."""
    if problem := examine(address):
        return problem
    if problem := _try_host(address):
        return problem
    try:
        last = recall_trouble(open_store(), address.label)
    except PerennialError as error:
        return f"what became of the newest message is not known: {first_line(error)}"
    if last is not None and last.problem:
        return f"{last.problem}, at {last.time:%Y-%m-%d %H:%M} UTC"
    return ""


def _try_host(address: Address) -> str:
    """Open a connection to where an address leads, as far as it says so; say what hinders it."""
    try:
        if place := find_host(address):
            socket.create_connection(place, timeout=_SECONDS).close()
    except (OSError, ValueError) as error:
        return f"cannot be reached: {getattr(error, 'strerror', '') or type(error).__name__}"
    return ""
