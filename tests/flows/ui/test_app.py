"""Forms decide only with a token of this page; every page has its JSON, and errors are one line."""

import re
from pathlib import Path

import httpx
import pytest
from judged import MODEL, NEW, OLD, put
from looks import keep_looks
from signing import Signers

from tasks.registry.ledger import read_ledger
from tasks.registry.signatures import SIGNERS
from tasks.registry.versions import Published
from tasks.storage.store import Store

DECIDE = f"/models/{MODEL}/decide"


def fill(client: httpx.Client, action: str, **typed: str) -> dict[str, str]:
    """Fill in a form of the newer version's page."""
    page = client.get(f"/models/{MODEL}/versions/{NEW}").text
    forms = re.findall(r'<form method="post".*?</form>', page, re.DOTALL)
    (form,) = (each for each in forms if f'value="{action}"' in each)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {**hidden, "approver": "Ada", "reason": "because", **typed}


@pytest.mark.usefixtures("crowned")
def test_forms_of_other_origins_and_without_a_token_decide_nothing(
    store: Store, client: httpx.Client
) -> None:
    form = fill(client, "reject")
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert client.post(DECIDE, data=form, headers=headers).status_code == 403
    del client.headers["origin"]
    assert client.post(DECIDE, data=form).status_code == 403
    client.headers["sec-fetch-site"] = "same-origin"
    for said in ({"token": ""}, {"known": "1"}, {"version": OLD}, {"action": "approve"}):
        assert client.post(DECIDE, data={**form, **said}).status_code == 403
    assert client.post("/models/another/decide", data=form).status_code == 403
    assert client.post(DECIDE, data=form, auth=("ada", "wrong")).status_code == 401
    assert client.post(DECIDE, data={**form, "reason": "x" * 30_000}).status_code == 413
    assert client.get(DECIDE).status_code == 405
    assert len(read_ledger(store, MODEL)) == 2


@pytest.mark.usefixtures("crowned")
def test_what_the_ledger_refuses_is_one_line_on_the_page(client: httpx.Client) -> None:
    answer = client.post(DECIDE, data=fill(client, "reject", approver="\u202eAda"))
    assert answer.status_code == 400
    assert "no control character" in answer.text
    answer = client.post(DECIDE, data=fill(client, "approve", manifest="another"))
    assert answer.status_code == 409
    assert "is not what was shown" in answer.text


@pytest.mark.usefixtures("candidates")
def test_where_decisions_are_signed_the_page_has_commands_in_the_place_of_forms(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = fill(client, "approve")
    signers = Signers(tmp_path / "keys")
    signers.add("Ada")
    monkeypatch.setenv(SIGNERS, str(signers.file))
    page = client.get(f"/models/{MODEL}/versions/{NEW}").text
    assert f"perennial approve {MODEL} {NEW} --as NAME --reason TEXT" in page
    assert '<form method="post"' not in page
    answer = client.post(DECIDE, data=form)
    assert (answer.status_code, "decisions are signed" in answer.text) == (409, True)


def test_override_is_offered_with_the_checks_that_failed_and_asks_why(
    store: Store, client: httpx.Client
) -> None:
    put(store, NEW, passed=False)
    page = client.get(f"/models/{MODEL}/versions/{NEW}").text
    assert "Its gate refused it (slices)" in page
    assert re.search(r'<textarea id="why-approve[^>]* required>', page)
    assert fill(client, "approve")["override"] == "yes"
    answer = client.post(DECIDE, data=fill(client, "approve", reason=" "))
    assert (answer.status_code, "--override needs a reason" in answer.text) == (400, True)


@pytest.mark.usefixtures("crowned")
def test_every_page_has_its_json(store: Store, client: httpx.Client) -> None:
    look = keep_looks(store, MODEL, OLD, 1)[0].name
    pages = ["models", "inbox", f"models/{MODEL}", f"models/{MODEL}/looks/{look}"]
    for page in [*pages, f"models/{MODEL}/versions/{NEW}", f"models/{MODEL}/versions/{OLD}"]:
        shown, answer = (client.get(f"/{page}{ending}") for ending in ("", ".json"))
        assert (shown.status_code, answer.status_code) == (200, 200)
        assert shown.headers["content-type"].startswith("text/html")
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
    answer = client.get("/models/nothing.json")
    assert (answer.status_code, [*answer.json()]) == (404, ["error"])
    assert client.get("/decisions/nothing").status_code == 404


def test_style_sheet_may_be_kept_and_is_the_only_thing_that_a_page_loads(
    client: httpx.Client,
) -> None:
    page = client.get("/").text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.partition("</head>")[0])
    assert [each for each in loaded if each.startswith("data:") or not each.startswith("/")] == [
        "data:,"
    ]
    (style,) = (each for each in loaded if each.startswith("/"))
    answer = client.get(style)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert "url(" not in answer.text
    assert "<script" not in page


def test_what_nobody_thought_of_is_one_line_too(
    crowned: Published, client: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "root" / "models" / MODEL / OLD / "MANIFEST.json"
    file.unlink()
    file.mkdir()
    answer = client.get(f"/models/{MODEL}")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
