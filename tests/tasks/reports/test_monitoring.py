"""The monitor's page: what needs action comes first, and nothing from data is markup."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from monitored import FOUND, make_result

from tasks.reports.monitoring import keep_report, write_page
from tasks.storage.store import open_store

FOUND_GAIN = {"value": 0.65, "low": 0.6, "high": 0.7}


@pytest.fixture(scope="module")
def page() -> str:
    return write_page(make_result())


def rows_of(page: str, section: str) -> list[list[str]]:
    body = ElementTree.fromstring(page[page.index("<main>") : page.index("</body>")])
    rows = body.iterfind(f".//section[@id='{section}']//tbody/tr")
    return [["".join(cell.itertext()).strip() for cell in row] for row in rows]


def test_what_needs_action_comes_first_with_its_alerts(page: str) -> None:
    head = page[: page.index("<section")]
    assert "✗ Action needed" in head
    assert "Quality has dropped</th><td>alert sent</td>" in head
    why = "<p><b>Root cause:</b> temp &lt;b&gt; is 0.</p>"
    assert f"<td>&lt;i&gt;temp&lt;/i&gt;<small>no server</small>{why}</td>" in head
    assert "<dt>Predictions</dt><dd>1,234</dd>" in head


def test_retrain_that_runs_by_itself_is_amber_and_windows_of_few_labels_are_grey() -> None:
    moved = {"kind": "distribution-moved", "reason": "temp", "key": "k", "state": "raised"}
    page = write_page(make_result(alerts=(moved,)))
    assert 'class="verdict mends"><p class="stamp">↻ Mends itself' in page
    assert "perennial retrain made" in page
    assert '<tr class="few"><th scope="row">2013-07-31 00:00' in page
    span = {**FOUND["performance"]["spans"][0], "labelled": 2000, "surely": FOUND_GAIN}
    sure = write_page(make_result(performance=FOUND["performance"] | {"spans": (span,)}))
    assert '<tr class="few"' not in sure
    assert "<td>0.6000 to 0.7000</td>" in sure


def test_each_section_has_its_numbers(page: str) -> None:
    quality = rows_of(page, "quality")
    assert quality[0] == ["2013-07-31 00:00", "1,234", "553", "0.6500", "too few labels", "0.6000"]
    assert quality[1][3] == "-0.2424 (-0.3000 to -0.1000)"
    drift = rows_of(page, "drift")
    assert [row[0] for row in drift] == ["temp", "carrier"]  # by distance times importance
    assert drift[1][-1] == "<b>ZZ</b>"
    assert rows_of(page, "skew")[1] == ["temp", "1 of 100", "1.0%", "20 for 68"]
    assert rows_of(page, "contract")[0] == ["nulls of 'temp'", "✗ failed", "9% are missing"]
    assert rows_of(page, "service") == [["predict 200", "98"], ["predict 500", "2"]]


def test_nothing_found_is_no_action_and_no_chart() -> None:
    nothing = {
        "served": FOUND["served"] | {"rows": {}},
        "ground_truth": {"path": "none", "rows": 0},
        "performance": {"holdout": {}, "estimate": {}, "problem": "no label yet"},
        "drift": {"weights": {}, "new_levels": {}, "problem": "nothing was logged"},
        "skew": {},
        "checks": (),
        "service": {},
        "new_data": None,
        "alerts": (),
    }
    page = write_page(make_result(**nothing))
    assert "✓ No action needed" in page
    assert "Nothing was asked that could be checked." in page
    assert "<svg" not in page


def test_last_page_of_a_day_is_kept_under_the_root(tmp_path: Path, page: str) -> None:
    store = open_store(str(tmp_path))
    address = keep_report(store, make_result(alerts=()))
    assert keep_report(store, make_result()) == address
    kept = tmp_path / "monitoring" / "made" / "reports" / "2013-07-31" / "report.html"
    assert address.endswith("monitoring/made/reports/2013-07-31/report.html")
    assert kept.read_text() == page
