"""Without the password nothing is shown, and no other page can decide by it."""

import httpx
import pytest
from starlette.datastructures import Headers

from flows.ui.access import Tokens, is_own

HOST = "127.0.0.1:4300"


@pytest.mark.parametrize("path", ["/", "/models.json", "/nothing", "/models/churn"])
def test_nothing_is_shown_without_the_password(client: httpx.Client, path: str) -> None:
    for auth in (None, ("ada", "wrong"), ("", "")):
        answer = client.get(path, auth=auth)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    odd = {"authorization": "Basic ä".encode()}
    assert client.get(path, headers=odd, auth=None).status_code == 401


def test_on_loopback_another_host_s_name_is_refused(client: httpx.Client) -> None:
    for name, status in {"localhost:4300": 200, "[::1]:1": 200, "evil.example": 400}.items():
        assert client.get("/models", headers={"host": name}).status_code == status


def test_every_answer_keeps_browsers_from_loading_or_framing_anything(client: httpx.Client) -> None:
    for path in ("/models", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ({}, False),
        ({"origin": f"http://{HOST}"}, True),
        ({"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}, True),  # behind a proxy
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, False),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
    ],
)
def test_only_our_own_page_may_send_forms(said: dict[str, str], own: bool) -> None:
    assert is_own(Headers({"host": HOST, **said})) is own


def test_token_fits_one_decision_of_this_process_alone() -> None:
    tokens = Tokens()
    token = tokens.make("churn", "approve", "v1", "2")
    assert tokens.fit(token, "churn", "approve", "v1", "2")
    assert not tokens.fit(token, "churn", "approve", "v1", "3")
    assert not tokens.fit(token, "churn", "rollback", "v1", "2")
    assert not tokens.fit("ä", "churn", "approve", "v1", "2")
    assert not Tokens().fit(token, "churn", "approve", "v1", "2")
