"""BentoML's application answers what only it knows, and nothing else reaches it."""

import asyncio

import httpx
import pytest

from bentos.bentoml_routes import DESCRIPTIONS, STATIC, Application, ask_bentoml
from bentos.errors import RequestRefused
from bentos.request_head import Receive, Scope, Send


@pytest.mark.parametrize("path", [*DESCRIPTIONS, *STATIC])
def test_what_bentoml_ships_and_describes_is_answered(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"if-none-match": "*", "range": "bytes=0-3"})
    assert answer.status_code == 200
    assert answer.headers["content-type"]
    assert len(answer.content) > 500


@pytest.mark.parametrize("path", ["/static_content/index.css", "/static_content/", "/predict/x"])
def test_all_else_stays_unknown(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


async def lost(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": []})


@pytest.mark.parametrize("application", [None, lost])
def test_what_bentoml_cannot_answer_is_not_found(application: Application | None) -> None:
    with pytest.raises(RequestRefused) as refused:
        asyncio.run(ask_bentoml(application, STATIC[0]))
    assert refused.value.status == 404
