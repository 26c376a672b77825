"""Allowed Host headers: the names by which a service may be called (DNS rebinding protection).

A page on another site can let its own name point to this machine, but it cannot choose what the
browser then sends as Host. Responsible for names and addresses, not for requests.
"""

import os
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from tasks.core.errors import DefinitionError

HOST = r"^(\*|[a-z0-9_][a-z0-9_.-]{0,252})$"
MEANT_BY_HOST = "a host's name in small letters, without a port; '*' is any"
_LONGEST = 300


def named_hosts() -> tuple[str, ...]:
    """Read PERENNIAL_HOSTS, names with commas between them; DefinitionError for no name."""
    given = os.environ.get("PERENNIAL_HOSTS", "")
    names = tuple(name.strip().lower() for name in given.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(HOST, name):
            raise DefinitionError(f"PERENNIAL_HOSTS: {name[:100]!r} must be {MEANT_BY_HOST}")
    return names


def is_host(said: bytes, hosts: frozenset[str], at: str) -> bool:
    """Tell whether a Host header names this service, on a connection to the address `at`.

    Over loopback these are loopback's own names and addresses; elsewhere any IP address, too.
    Names in `hosts` are always allowed, and `*` allows all.

    >>> is_host(b"localhost:3000", frozenset(), "127.0.0.1")
    True
    >>> is_host(b"attacker.example", frozenset(), "127.0.0.1")
    False
    """
    return len(said) <= _LONGEST and _is_host(said, hosts, at)


@lru_cache(1024)
def _is_host(said: bytes, hosts: frozenset[str], at: str) -> bool:
    name = _without_port(said.decode("latin-1").lower())
    if name is None:
        return False
    if "*" in hosts or name in hosts or name == "localhost":
        return True
    address = _address(name)
    here = _address(at)
    return address is not None and (address.is_loopback or not (here and here.is_loopback))


def _without_port(said: str) -> str | None:
    """Give the name in `name`, `name:3000` or `[::1]:3000`; None for what is no host."""
    if said.startswith("["):
        name, closed, port = said[1:].partition("]")
        port = port.removeprefix(":") if closed else "none"
    else:
        name, _, port = said.partition(":")
    fits = port == "" or (port.isascii() and port.isdigit())
    return name.removesuffix(".") if fits else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
