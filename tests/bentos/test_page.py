"""The page in a real browser: what it shows is answered as it stands, and no name is markup."""

from pathlib import Path

import httpx
import pytest
from any_model import ODD
from browser import needs_browser, opened
from servers import TOKEN, Served, serving

OPEN = "document.querySelector('#operations-Ask-{0} .opblock-summary-control').click()"
EXECUTE = "document.querySelector('.execute').click()"
STATUS = "document.querySelector('.live-responses-table tbody .response-col_status').textContent"
BODY = "(document.querySelector('.body-param__text') || {value: ''}).value"


@needs_browser
@pytest.mark.parametrize("width", [1400, 390])
def test_each_example_is_answered_without_being_edited(
    served: Served, tmp_path: Path, width: int
) -> None:
    choose = """(name => { const box = document.querySelector('.examples-select select');
      box.value = name; box.dispatchEvent(new Event('change', {bubbles: true})) })"""
    with opened(f"{served.url}/docs", tmp_path, width) as page:
        page.wait("document.querySelector('#operations-Ask-explain')")
        assert page.run("document.documentElement.scrollWidth") <= width
        for endpoint in ("predict", "explain"):
            page.run(OPEN.format(endpoint))
            for shape, begins in {"row": "{", "rows": "[", "columns": '{\\n  "columns"'}.items():
                page.wait("document.querySelector('.examples-select select')")
                page.run(f"{choose}('{shape}')")
                page.wait(f"{BODY}.startsWith('{begins}')")
                page.run(EXECUTE)
                page.wait(f"{STATUS} === '200'")
                page.run("document.querySelector('.btn-clear').click()")
            page.run(OPEN.format(endpoint))
        assert page.complaints == []


@needs_browser
def test_names_are_text_and_nothing_is_loaded_from_elsewhere(
    odd_folder: Path, tmp_path: Path
) -> None:
    with (
        serving(tmp_path / "server", odd_folder, PERENNIAL_ROOT="") as served,
        opened(served.url, tmp_path / "browser") as page,
    ):
        page.wait("document.querySelector('#operations-Ask-predict')")
        names = "[...document.querySelectorAll('#columns code')].map(e => e.textContent)"
        assert set(ODD) <= set(page.run(names))
        page.run(OPEN.format("predict"))
        page.wait("document.querySelector('.execute')")
        assert page.run("document.querySelectorAll('main img').length") == 0
        loaded = page.run("performance.getEntriesByType('resource').map(e => e.name)")
        assert len(loaded) >= 3
        assert [each for each in loaded if not each.startswith(served.url)] == []
        assert page.complaints == []


@needs_browser
def test_page_asks_for_the_token_and_authorizes_by_it(strict: Served, tmp_path: Path) -> None:
    with opened(f"{strict.url}/", tmp_path) as page:
        page.wait("document.getElementById('token') && !document.getElementById('token').hidden")
        assert page.run("find('main').hidden && document.title") == "Predictions"
        for given in ("wrong", TOKEN):
            page.run(f"find('given').value = '{given}'; find('token').requestSubmit()")
            if given == "wrong":
                page.wait("find('wrong').textContent")
        page.wait("document.querySelector('.authorize')")
        assert "$PERENNIAL_TOKEN" in page.run("find('source').textContent")
        page.run(OPEN.format("predict"))
        page.wait(f"{BODY}.startsWith('{{')")  # Swagger fills it in later, and sends no empty one
        page.run(EXECUTE)
        page.wait(f"{STATUS} === '200'")


def test_browser_may_load_nothing_from_another_host(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]
