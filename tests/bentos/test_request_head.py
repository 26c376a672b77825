"""The few headers that matter are read, and odd ones refused."""

import pytest

from bentos.errors import RequestRefused
from bentos.request_head import RequestHead, check_host, check_token

SCOPE = {"http_version": "1.1", "server": ("127.0.0.1", 3000)}
HOSTS = frozenset({"models.example"})


def test_a_request_has_the_id_that_its_client_gave_if_that_can_be_logged() -> None:
    assert RequestHead([(b"x-request-id", b"mine-7")]).request == "mine-7"
    made = {RequestHead([(b"x-request-id", id_)]).request for id_ in (b"", b"a\nb", b"x" * 129)}
    assert len(made) == 3
    assert not made & {"", "a\nb", "x" * 129}


@pytest.mark.parametrize("given", [b"Bearer right", b"bearer  right"])
def test_the_right_token_is_taken(given: bytes) -> None:
    check_token(RequestHead([(b"authorization", given)]), b"right")
    for wrong in (b"Bearer wrong", b"Basic right", b"right", b""):
        with pytest.raises(RequestRefused) as refused:
            check_token(RequestHead([(b"authorization", wrong)]), b"right")
        assert refused.value.status == 401


def test_a_host_must_be_one_of_the_service_and_be_given_once() -> None:
    check_host(RequestHead([(b"host", b"models.example:443")]), HOSTS, SCOPE)
    check_host(RequestHead([]), HOSTS, SCOPE | {"http_version": "1.0"})
    for headers, status in (
        ([(b"host", b"other.example")], 421),
        ([], 400),
        ([(b"host", b"models.example")] * 2, 400),
    ):
        with pytest.raises(RequestRefused) as refused:
            check_host(RequestHead(headers), HOSTS, SCOPE)
        assert refused.value.status == status
