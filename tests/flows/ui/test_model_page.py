"""A model's pages: what became of each version, every look by its time, and no file but its own."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from judged import MODEL, NEW, NEWEST, OLD, put
from looks import keep_looks, make_look

from flows.ui.model_page import name_state
from tasks.monitoring.looks import LookAlert
from tasks.registry.ledger import append_entry
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import Published
from tasks.storage.store import Store


def test_model_s_page_has_its_versions_decisions_looks_and_drawings(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    looks = keep_looks(store, MODEL, OLD, 40)
    page = client.get(f"/models/{MODEL}").text
    for text in (OLD, NEW, "Ada &lt;i&gt;", "<svg", "10 older looks", looks[0].name):
        assert text in page
    assert "<b>on day" not in page
    found = client.get(f"/models/{MODEL}.json").json()
    assert [(each["version"], each["state"]) for each in found["versions"]] == [
        (NEW, "open"),
        (OLD, "serves"),
    ]
    assert len(found["looks"]) == 40


def test_each_state_of_a_version_has_a_word(store: Store, crowned: Published) -> None:
    put(store, NEWEST)
    said: dict[str, Any] = {"manifest": "m", "approver": "Ada", "reason": ""}

    def states() -> list[str]:
        ledger = read_trusted_ledger(store, MODEL)
        return [name_state(ledger, MODEL, each) for each in (OLD, NEW, NEWEST)]

    assert states() == ["serves", "open", "open"]
    append_entry(store, MODEL, action="reject", version=NEW, **said)
    append_entry(store, MODEL, action="approve", version=NEWEST, **said)
    assert states() == ["serves", "rejected", "approved"]
    append_entry(store, MODEL, action="release", version=NEWEST, **said)
    assert states() == ["served", "rejected", "serves"]
    assert name_state(read_trusted_ledger(store, MODEL), MODEL, "20200215T000000Z-abc") == (
        "outdated"
    )


def test_version_is_shown_beside_another(
    store: Store, candidates: tuple[Published, Published], client: httpx.Client
) -> None:
    path = f"/models/{MODEL}/versions/{NEW}"
    assert f"{OLD}, its holdout" in client.get(path, params={"beside": OLD}).text
    assert client.get(path, params={"beside": "../x"}).status_code == 400
    assert client.get(f"{path}.json").json()["state"] == "open"


def test_a_look_s_page_is_its_own_or_said_to_be_another_s(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    page = b"<style>b{color:red}</style><h1>the look</h1>"
    report = f"monitoring/{MODEL}/reports/2020-01-01/report.html"
    look = make_look(OLD, 0).model_copy(
        update={"report": report, "digest": hashlib.sha256(page).hexdigest()}
    )
    store.create(f"monitoring/{MODEL}/looks/{look.name}.json", look.model_dump_json().encode())
    path = f"/models/{MODEL}/looks/{look.name}"
    assert "its page was removed" in client.get(path).text
    assert client.get(f"{path}/report").status_code == 404
    store.replace(report, page)
    assert "Its whole page" in client.get(path).text
    answer = client.get(f"{path}/report")
    assert answer.content == page
    assert "sandbox" in answer.headers["content-security-policy"]
    store.replace(report, b"a later look's")
    assert "Page of the last look about that day" in client.get(path).text
    assert "replaced by that of a later look" in client.get(f"{path}/report").text
    assert client.get(f"{path}/report?later").content == b"a later look's"


def test_root_cause_stands_under_its_alert(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    alert = LookAlert(kind="data-broken", reason="x moved", state="raised", cause="x <b>is</b> 0")
    for day, alerts in enumerate([(alert,), (alert.model_copy(update={"cause": ""}),)]):
        look = make_look(OLD, day).model_copy(update={"alerts": alerts})
        store.create(f"monitoring/{MODEL}/looks/{look.name}.json", look.model_dump_json().encode())
        page = client.get(f"/models/{MODEL}/looks/{look.name}").text
        assert ("<b>Root cause:</b> x &lt;b&gt;is&lt;/b&gt; 0" in page) is (day == 0)


def test_a_look_leads_to_no_file_but_a_report_of_its_model(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    look = make_look(OLD, 0).model_copy(update={"report": f"models/{MODEL}/ledger/000001.json"})
    store.create(f"monitoring/{MODEL}/looks/{look.name}.json", look.model_dump_json().encode())
    answer = client.get(f"/models/{MODEL}/looks/{look.name}/report")
    assert answer.status_code == 500
    assert "names another file as its page" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/nothing", 404),
        (f"/models/{MODEL}/versions/nothing", 404),
        (f"/models/{MODEL}/looks/nothing", 404),
        (f"/models/{MODEL}/looks/..%2F..%2Fledger", 404),
        ("/models/..%2F..", 404),
        ("/models/No%20Model", 400),
        (f"/models/{MODEL}/versions/a%5Cb", 400),
        (f"/models/{MODEL}/versions/%3Cscript%3E/report", 400),
        (f"/models/{MODEL}/versions/{OLD}/report", 500),  # this one has none
    ],
)
def test_names_that_are_none_lead_nowhere(
    store: Store, crowned: Published, client: httpx.Client, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert "<script>" not in answer.text
    assert "Traceback" not in answer.text


def test_report_is_served_as_it_was_published_or_not_at_all(
    store: Store, crowned: Published, client: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "root" / "models" / MODEL / OLD / "verdict.json"
    file.write_text(file.read_text().replace("origin EWR", "all is well"))
    answer = client.get(f"/models/{MODEL}/versions/{OLD}")
    assert answer.status_code == 500
    assert "was changed after it was published" in answer.text
