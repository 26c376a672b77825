"""The whole way in a browser: inbox, candidate, its report, approval, and rolling back."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import Page, needs_browser, opened
from looks import keep_looks
from pages import PASSWORD, serving_page
from servers import wait_for

from tasks.registry.ledger import read_ledger
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
HEADING = "(document.querySelector('h1') || {textContent: ''}).textContent"
STATE = "(document.querySelector('.box b') || {textContent: ''}).textContent"


def click(page: Page, selector: str, then: str) -> None:
    """Click on something, and wait for what comes of it."""
    assert page.run(f"!!document.querySelector('{selector}')"), selector
    page.run(f"document.querySelector('{selector}').click()")
    page.wait(then)


def decide(page: Page, action: str, reason: str) -> None:
    """Fill in the form of an action by its labels, send it, and wait for its end."""
    # Of a form, `action` is the field of that name.
    form = f"[...document.forms].find(e => e.action.value === '{action}')"
    for label, text in {"Your name": "Grace", "Why": reason}.items():
        box = (
            f"[...{form}.querySelectorAll('label')].find(e => e.textContent.startsWith('{label}'))"
        )
        page.run(f"{box}.control.value = '{text}'")
    page.run(f"{form}.querySelector('button').click()")
    page.wait("location.pathname.startsWith('/decisions/')")
    wait_for(lambda: page.run(STATE) in ("✓ Done", "✗ Not done"), 400)
    assert page.run(STATE) == "✓ Done", page.run("document.querySelector('main').textContent")


@needs_browser
def test_a_candidate_is_looked_at_approved_and_rolled_back_from(
    released: "Released", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    store = open_store()
    keep_looks(store, MODEL, released.older, 90)
    with serving_page(store) as place:
        address = f"http://{PASSWORD}@{place}/"
        with opened(address, tmp_path / "wide") as page:
            page.wait(f"{HEADING} === 'Models'")
            assert "auc 0.6000, promised 0.8100" in page.run(
                "document.querySelector('[data-head=\"Live quality\"]').textContent"
            )
            click(page, 'a[href="/inbox"]', f"{HEADING} === 'Inbox'")
            click(page, 'td a[href$="#decide"]', f"{HEADING} === '{released.newer}'")
            assert "beats baseline" in page.run(
                "document.querySelector('#gate').parentElement.textContent"
            )
            click(page, 'a[href$="/report"]', "document.querySelector('.verdict')")
            page.run("history.back()")
            page.wait(f"{HEADING} === '{released.newer}'")
            decide(page, "approve", "better on <all> of it")
            assert page.complaints == []
        *_, approval, release = read_ledger(store, MODEL)
        assert (approval.action, approval.approver) == ("approve", "Grace")
        assert approval.reason == "better on <all> of it"
        assert (release.action, release.version) == ("release", released.newer)
        with opened(f"{address}models/{MODEL}", tmp_path / "narrow", 390) as page:
            page.wait(f"{HEADING} === '{MODEL}'")
            assert page.run("document.querySelectorAll('#decisions ~ * i').length") == 0
            decide(page, "rollback", "")
            click(page, 'a[href="/models"]', f"{HEADING} === 'Models'")
            assert released.older in page.run(
                "document.querySelector('[data-head=Serves]').textContent"
            )
            assert page.complaints == []
        assert read_ledger(store, MODEL)[-1].version == released.older


@needs_browser
@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_fits_has_its_landmarks_and_labels_all_that_is_typed(
    released: "Released", tmp_path: Path, width: int
) -> None:
    store = open_store()
    look = keep_looks(store, MODEL, released.older, 90, columns=30)[-1].name
    model = f"models/{MODEL}"
    paths = [
        "models",
        "inbox",
        model,
        f"{model}/versions/{released.newer}",
        f"{model}/versions/{released.older}/diff/{released.newer}",
        f"{model}/looks/{look}",
    ]
    with (
        serving_page(store) as place,
        opened(f"http://{PASSWORD}@{place}/", tmp_path / "browser", width) as page,
    ):
        page.wait(f"{HEADING} === 'Models'")
        for path in paths:
            page.call("Page.navigate", url=f"http://{place}/{path}")
            page.wait(f"location.pathname === '/{path}' && document.readyState === 'complete'")
            assert page.run("document.documentElement.scrollWidth") <= width, path
            assert page.run("document.querySelector('[role=alert]')") is None, path
            count = "document.querySelectorAll('{}').length".format
            assert page.run(count("main")) == page.run(count("h1")) == page.run(count("nav")) == 1
            assert page.run("document.documentElement.lang") == "en"
            typed = "[...document.querySelectorAll('input:not([type=hidden]), textarea, select')]"
            assert page.run(f"{typed}.every(e => e.labels.length === 1)"), path
            assert page.run("[...document.querySelectorAll('th')].every(e => e.scope)"), path
            ids = "[...document.querySelectorAll('[id]')].map(e => e.id)"
            assert page.run(f"new Set({ids}).size === {ids}.length"), path
        loaded = page.run("performance.getEntriesByType('resource').map(e => e.name)")
        assert [each for each in loaded if not each.startswith(f"http://{place}/")] == []
        assert page.complaints == []
