"""The page that sets two real versions against each other: asked, clicked, and fed wild names."""

import json
import re
from pathlib import Path

import httpx
import polars as pl
import pytest
from browser import needs_browser, opened
from compared import DEFINITION, EARLY, HOSTILE, Versions, draw_rows
from judged import MODEL, NEW, OLD
from pages import PASSWORD, serving_page

from flows.ui.comparison_page import NotCompared, compare
from tasks.maintenance.forget import find_traces, remove_traces
from tasks.registry.versions import Published
from tasks.storage.store import Store, work_folder

WILD = json.dumps(HOSTILE.replace("\u202e", ""))
# What a template leaves unescaped would be one of these.
MARKUP = re.compile(r"<(?:script|i>|b onload)", re.IGNORECASE)


@pytest.fixture
def versions(store: Store) -> Versions:
    return Versions(Path.cwd())


def describe(client: httpx.Client, before: Published, after: Published) -> tuple[str, str]:
    """Give a comparison's address, and its page."""
    path = f"/models/made/versions/{before.version}/diff/{after.version}"
    page = client.get(path)
    assert page.status_code == 200, page.text
    return path, page.text


def test_choice_on_a_version_s_page_leads_to_what_changed_since(
    versions: Versions, client: httpx.Client
) -> None:
    older = versions.make(as_of=EARLY)
    newer = versions.make(DEFINITION.replace("num_leaves = 7", "num_leaves = 15"))
    version = client.get(f"/models/made/versions/{newer.version}").text
    form = re.search(r'<form method="get" action="([^"]*/diff)".*?</form>', version, re.DOTALL)
    assert form
    assert f">{older.version}</option>" in form[0]
    led = client.get(form[1], params={"before": older.version}, follow_redirects=True)
    path, page = describe(client, older, newer)
    assert (led.url.path, led.text) == (path, page)
    found = client.get(f"{path}.json").json()
    flipped = f"{found['answers']['decisions']['flipped']:,} of {found['answers']['rows']:,}"
    assert f"{flipped} decisions flip" in page
    for text in ("training.params.num_leaves", "Typical rows", "c = north", "After is better by"):
        assert text in page
    back = client.get(re.findall(r'href="([^"]*/diff/[^"]*)">The other way', page)[0])
    assert f"{flipped} decisions flip" in back.text


def test_names_and_values_of_the_data_are_never_markup(
    versions: Versions, client: httpx.Client
) -> None:
    wild = pl.when(pl.col("c") == "south").then(pl.lit(HOSTILE)).otherwise(pl.col("c"))
    rows = draw_rows().with_columns(wild.alias("c"), (pl.col("x") * 2).alias(HOSTILE))
    versions.write(rows)
    older = versions.make(as_of=EARLY)
    versions.write(rows.with_columns(pl.lit("<i>").alias("<b onload=x>")))
    newer = versions.make(DEFINITION.replace('k = "k"', f'{WILD} = "x * k"\nk = "k"'))
    _, page = describe(client, older, newer)
    assert not MARKUP.search(page)
    assert "\u202e" not in page
    assert "c = &lt;/th&gt;&lt;script&gt;" in page
    assert "column &lt;b onload=x&gt;" in page


def test_reason_stands_where_there_are_no_numbers(versions: Versions, client: httpx.Client) -> None:
    older = versions.make(as_of=EARLY)
    newer = versions.make(
        DEFINITION.replace('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"')
    )
    path, page = describe(client, older, newer)
    assert "There is nothing to compare." in page
    assert "it predicts another target" in page
    assert client.get(f"{path}.json").json()["answers"]["metrics"] == []
    other = versions.make(
        DEFINITION.replace('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"'),
        EARLY,
    )
    assert "values move" in describe(client, other, newer)[1]
    assert "Nothing changed of what a version is made of" in describe(client, older, older)[1]


def test_what_was_forgotten_is_not_shown_again(
    versions: Versions, store: Store, client: httpx.Client
) -> None:
    pair = versions.make(as_of=EARLY), versions.make(DEFINITION.replace('k = "k"\n', ""))
    path, _ = describe(client, *pair)
    before = client.get(f"{path}.json").json()["answers"]
    person = str(before["examples"][0]["key"]["id"])
    with work_folder(store) as folder:
        traces = find_traces(store, "made", {"id": person}, folder)
        remove_traces(store, "made", traces, folder)
    after = client.get(f"{path}.json").json()["answers"]
    assert after["rows"] == before["rows"] - 1
    assert person not in {str(each["key"]["id"]) for each in after["examples"]}


@pytest.mark.usefixtures("candidates")
def test_what_cannot_be_compared_is_one_line(store: Store, client: httpx.Client) -> None:
    base = f"/models/{MODEL}/versions"
    assert client.get(f"{base}/{OLD}/diff/20990101T000000Z-abc").status_code == 404
    assert client.get(f"{base}/{OLD}/diff", params={"before": "../x"}).status_code == 400
    assert client.get(f"{base}/{OLD}/diff").status_code == 400
    answer = client.get(f"{base}/{OLD}/diff/{NEW}.json")  # these hold no model
    assert answer.status_code == 500
    assert set(answer.json()) == {"error"}
    assert "definition.toml: is missing" in answer.json()["error"]


def test_process_that_ends_without_an_answer_is_told(
    versions: Versions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = versions.make()
    monkeypatch.setenv("PYTHONPATH", "nowhere")
    monkeypatch.setenv("PYTHONHOME", "nowhere")
    with pytest.raises(NotCompared, match="made: the comparison's process failed: "):
        compare(store.root, "made", made, made)


@needs_browser
def test_it_is_read_on_a_phone_and_has_one_heading_for_each_section(
    versions: Versions, store: Store, tmp_path: Path
) -> None:
    older = versions.make(as_of=EARLY)
    newer = versions.make(DEFINITION.replace('k = "k"', f'a_very_long_name_{"x" * 60} = "x * k"'))
    with serving_page(store) as place:
        address = f"http://{PASSWORD}@{place}/models/made/versions/{newer.version}"
        with opened(address, tmp_path / "phone", 390) as page:
            page.wait("document.querySelector('#before')")
            page.run(f"document.querySelector('#before').value = '{older.version}'")
            page.run("document.querySelector('#before').form.querySelector('button').click()")
            page.wait("document.querySelector('h1').textContent === 'What changed'")
            assert page.run("document.documentElement.scrollWidth") <= 390
            assert page.run("document.querySelectorAll('th:not([scope])').length") == 0
            assert page.run(
                "[...document.querySelectorAll('section')].every("
                "e => document.getElementById(e.getAttribute('aria-labelledby')))"
            )
            assert page.complaints == []
