"""What a run leaves on Prefect's pages: tables that are not clipped, links that lead somewhere."""

import fcntl
import json
import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.run_artifacts import (
    find_page,
    leave,
    link_candidate,
    link_form,
    link_look,
    link_model,
    widen_tables,
    write_facts,
)
from tasks.processes.settings import settle_environment
from tasks.reports.formatting import markdown_table

PAGE = "http://127.0.0.1:4300"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder without a system, and belong to none."""
    monkeypatch.chdir(tmp_path)
    for name in ("PERENNIAL_PAGE_PORT", "PERENNIAL_UI_PORT", "PERENNIAL_HOST", "PERENNIAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def paged(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Belong to a system, as a worker's runs do."""
    monkeypatch.setenv("PERENNIAL_PAGE_PORT", "4300")


def read_left(key: str) -> str:
    of_it = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(artifact_filter=of_it)
    return str(found.data)


def test_summary_is_left_with_links_below_its_title(prefect_harness: None, paged: None) -> None:
    table = markdown_table(["Check"], [["good"]])

    @flow(name="leaving")
    def leaving() -> None:
        leave("left-m", f"# m v1: passed\n\nSaid.\n\n{table}\n", link_model("m"))

    leaving()
    assert read_left("left-m").startswith(
        f'## m v1: passed\n\n[The model]({PAGE}/models/m)\n\nSaid.\n\n<table cellpadding="4">\n'
    )


def test_cells_break_lines_and_what_they_hold_stays_text() -> None:
    hostile = ["<b>x</b> | y", "*a* _b_ `c` \\ [l](javascript:x)"]
    written = widen_tables(markdown_table(["A", "B"], [hostile]))
    row = written.splitlines()[-1].removesuffix("</table>")
    cells = ["&lt;b&gt;x&lt;/b&gt; | y", "*a* _b_ `c` \\ [l](javascript:x)"]
    assert row == "<tr>" + "".join(f"<td><small>{each}</small></td>" for each in cells) + "</tr>"
    assert "\n\n" not in written  # which would end the block of HTML
    odd = widen_tables(markdown_table(["A", "B", "C"], [["", "ends in \\", "|"]]))
    assert odd.count("<td>") == 3
    assert "<small></small></td><td><small>ends in \\</small></td><td><small>|</small>" in odd


def test_text_around_tables_stays_and_wide_ones_are_laid_on_their_side() -> None:
    heads = [f"h{count}" for count in range(7)]
    rows = [[f"{name}{count}" for count in range(7)] for name in "ab"]
    written = widen_tables(f"Before | after\n\n{markdown_table(heads, rows)}\n\n- end")
    assert written.startswith("Before | after\n\n<table")
    assert written.endswith("</table>\n\n- end")
    assert written.count("<tr>") == 7
    assert "<small>h6</small></td><td><small>a6</small></td><td><small>b6</small>" in written
    assert widen_tables(write_facts("m", [["Rows", "1"]])).count("<tr>") == 2


def test_pages_are_linked_where_there_is_one(paged: None) -> None:
    place = f"{PAGE}/models/m/versions/v1"
    assert dict(link_candidate("m", "v1", waits=False)) == {
        "This version": place,
        "Report": f"{place}/report",
        "The model": f"{PAGE}/models/m",
    }
    look = dict(link_look("m", "l1", waits=True))
    assert look["This look"] == f"{PAGE}/models/m/looks/l1"
    assert look["Report"] == f"{PAGE}/models/m/looks/l1/report"
    assert look["Inbox"] == f"{PAGE}/inbox"
    assert "Inbox" not in dict(link_look("m", "l1", waits=False))
    assert dict(link_model("a) [b](c"))["The model"].endswith("/a%29%20%5Bb%5D%28c")


def test_nothing_is_linked_that_is_not_there(
    prefect_harness: None, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(link_candidate("m", "v1", waits=True)) == []
    monkeypatch.setenv("PERENNIAL_PAGE_PORT", "none")
    assert find_page() is None


def test_page_of_the_system_that_runs_here_is_found(alone: Path) -> None:
    here = settle_environment()
    others = here.model_copy(update={"page_port": 4817})
    here.folder.mkdir(parents=True)
    here.ready.write_text(others.model_dump_json())
    assert find_page() is None  # what it says of itself is of a system that ended
    with here.keeper.open("w") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.write(str(os.getpid()))
        kept.flush()
        assert find_page() == "http://127.0.0.1:4817"


def test_form_is_linked_with_the_version_where_it_may_decide(
    prefect_harness: None, paged: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert list(link_form("formed", "v1")) == []
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow_from_name("release"), "formed")
    ((text, address),) = link_form("formed", "v1")
    place, _, given = address.partition("?parameters=")
    assert text == "Prefect's form"
    assert place == f"/deployments/deployment/{deployment}/run"
    assert json.loads(unquote(given)) == {"model": "formed", "version": "v1"}
    assert text in dict(link_candidate("formed", "v1", waits=True))
    assert text not in dict(link_candidate("formed", "v1", waits=False))
    signers = tmp_path / "signers"
    signers.touch()
    monkeypatch.setenv("PERENNIAL_SIGNERS", str(signers))
    assert list(link_form("formed", "v1")) == []
    monkeypatch.setenv("PERENNIAL_SIGNERS", "gone")  # said where one decides
    assert list(link_form("formed", "v1")) == []
