"""A service is asked by names that are its own."""

import pytest

from tasks.core.errors import DefinitionError
from tasks.core.hosts import is_host, named_hosts


@pytest.mark.parametrize(
    ("host", "loopback", "elsewhere"),
    [
        (b"localhost", True, True),
        (b"127.0.0.1:80", True, True),
        (b"10.0.0.7:3000", False, True),  # a probe of Kubernetes names the pod by its address
        (b"[fd00::7]:3000", False, True),
        (b"models:3000", True, True),
        (b"evil.example", False, False),
        (b"10.0.0.7.evil.example", False, False),
        (b"", False, False),
    ],
)
def test_an_address_is_a_host_unless_the_connection_is_a_loopback_one(
    host: bytes, loopback: bool, elsewhere: bool
) -> None:
    hosts = frozenset(["models"])
    assert is_host(host, hosts, "127.0.0.1") is is_host(host, hosts, "::1") is loopback
    assert is_host(host, hosts, "10.0.0.7") is elsewhere


def test_a_star_is_any_host() -> None:
    assert is_host(b"evil.example", frozenset("*"), "127.0.0.1")


def test_hosts_are_named_with_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_HOSTS", "Models.example, models,")
    assert named_hosts() == ("models.example", "models")


@pytest.mark.parametrize("name", ["http://models", "models:3000", "a b", "[::1]"])
def test_what_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PERENNIAL_HOSTS", f"models,{name}")
    with pytest.raises(DefinitionError, match=r"PERENNIAL_HOSTS: .* without a port"):
        named_hosts()
