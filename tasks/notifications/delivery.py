"""Delivery: messages reach their addresses, all of these at once, and none of them waits for long.

Each address has a thread of its own, so that one that hangs keeps neither the others nor the run
for longer than `SECONDS`. Not responsible for which message is due (`told`), nor for what carries
it (`channels`).
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from functools import partial

from tasks.core.definition import Frozen
from tasks.notifications.addresses import Address
from tasks.notifications.channels import explain_failure, open_address
from tasks.notifications.messages import Message

SECONDS = 10.0


class Delivery(Frozen):
    """What became of a message at an address; `problem` is empty where it was taken."""

    label: str
    key: str
    problem: str = ""


def deliver(asked: Mapping[Address, Sequence[Message]], seconds: float = SECONDS) -> list[Delivery]:
    """Send each address its messages, all addresses at once; what takes longer is given up."""
    done: list[Delivery] = []

    def send(address: Address) -> None:
        for each in _send_all(address, asked[address]):
            done.append(each)

    _run_apart([partial(send, address) for address in asked], seconds)
    taken = list(done)
    known = {(each.label, each.key) for each in taken}
    late = f"gave no answer within {seconds:g} s"
    return taken + [
        Delivery(label=address.label, key=each.key, problem=late)
        for address, messages in asked.items()
        for each in messages
        if (address.label, each.key) not in known
    ]


def examine(address: Address, seconds: float = SECONDS) -> str:
    """Say why an address cannot be used, as far as that is known without sending anything."""
    found = [f"gave no answer within {seconds:g} s"]

    def look() -> None:
        try:
            open_address(address)
        except Exception as error:
            found.append(explain_failure(error))
        else:
            found.append("")

    _run_apart([look], seconds)
    return found[-1]


def _send_all(address: Address, messages: Iterable[Message]) -> Iterable[Delivery]:
    """Send one address its messages; after the first that fails none is tried."""
    problem, send = "", None
    for message in messages:
        if not problem:
            try:
                send = send or open_address(address)
                send(message)
            except Exception as error:  # whatever a library raises: a run is not to fail by it
                problem = explain_failure(error)
        yield Delivery(label=address.label, key=message.key, problem=problem)


def _run_apart(calls: Iterable[Callable[[], None]], seconds: float) -> None:
    """Run each in a thread with this one's context, and wait for all of them, but not for long."""
    threads = [
        threading.Thread(target=copy_context().run, args=(call,), daemon=True) for call in calls
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
