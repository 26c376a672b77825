"""Reports in Chromium: each kind of model, on a wide and a narrow window, by day and at night."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from browser import Page, needs_browser, opened
from candidates import TARGETS, page, run_steps, take_steps, with_champion
from monitored import make_result
from pages_in_browser import look_over
from quantiles import QUANTILES
from replayed import make_replay
from tables import Project, define
from uncertain import SECTIONS, UNCERTAIN

from tasks.reports.backtest import draw_comparison
from tasks.reports.monitoring import write_page

LONG = "an input whose name is as long as sixty characters allow it <{}>"
COUNTS = UNCERTAIN.with_columns(y=pl.Series(np.random.default_rng(3).poisson(UNCERTAIN["x"])))
POISSON = 'threads = 1\nrounds = 30\nparams = { objective = "poisson" }'
CLASSES, LEVELS, COLUMNS = 30, 40, 200


def make_wide_table() -> tuple[pl.DataFrame, dict[str, str]]:
    """Make a table of many columns with long names, and a target of many classes."""
    draw, rows = np.random.default_rng(2), 3_000
    inputs = {LONG.format(number): draw.normal(size=rows) for number in range(COLUMNS - 2)}
    level, label = draw.integers(0, LEVELS, rows), draw.integers(0, CLASSES, rows)
    words = {
        "c": [f"<script>alert({each})</script> Größe 尺寸 {'x' * 40}" for each in level],
        "Ünïcode 列": [f"r{each}" for each in level],
        "y": [f"Klasse {each} mit einem langen Namen ☃" for each in label],
    }
    times = pl.datetime_range(
        pl.datetime(2020, 1, 1), pl.datetime(2020, 12, 30), "1h", eager=True
    ).head(rows)
    sections = {
        "extract": 'time = "t"',
        "target": 'value = "y"\nkind = "multiclass"',
        "features": "",
        "training": "threads = 1\nrounds = 3\nearly_stopping = 0",
        "gate": 'slice_rows = 20\nslices = ["c", "\\"Ünïcode 列\\""]',
    }
    return pl.DataFrame(inputs | words).with_columns(t=times), sections


def write_pages(project: Project, few_flights: Path) -> dict[str, str]:
    """Write a page of each kind of model, of a monitor, and of a table with too much of all."""
    folder, made = project.folder, {}
    for kind in TARGETS:
        (folder / kind).mkdir()
        made[kind] = run_steps(few_flights, kind, folder / kind)
    made["binary"] = with_champion(made["binary"], made["binary"].evaluation.rows)
    wide, sections = make_wide_table()
    tables = {
        "quantiles": (UNCERTAIN, QUANTILES),
        "intervals": (UNCERTAIN, SECTIONS),
        "counts": (COUNTS, {**SECTIONS, "training": POISSON, "serving": ""}),
        "wide": (wide, sections),
    }
    for kind, (table, given) in tables.items():
        project.write(table)
        text = define(**given).replace("[features]\n\n", "")
        (folder / "made.toml").write_text(text)
        (folder / kind).mkdir()
        made[kind] = take_steps(folder / "made.toml", None, folder / kind)
    return {
        **{kind: page(each) for kind, each in made.items()},
        "monitor": write_page(make_result()),
        "backtest": draw_comparison(make_replay())["report.html"],
    }


@pytest.fixture(scope="module")
def written(
    few_flights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        pages = write_pages(Project(folder), few_flights)
    paths = {}
    for kind, text in pages.items():
        paths[kind] = folder / f"{kind}.html"
        paths[kind].write_text(text)
    yield paths
    shutil.rmtree(folder)


def go_to(browser: Page, path: Path) -> None:
    browser.call("Page.navigate", url=path.as_uri())
    browser.wait(
        f"location.href === '{path.as_uri()}' && document.readyState === 'complete' "
        "&& document.querySelector('main')"
    )


@needs_browser
@pytest.mark.parametrize("width", [1400, 390])
def test_each_report_fits_is_readable_and_asks_nobody(
    written: dict[str, Path], tmp_path: Path, width: int
) -> None:
    with opened("about:blank", tmp_path / "browser", width) as browser:
        for kind, path in written.items():
            go_to(browser, path)
            drawn = browser.run(
                "[...document.querySelectorAll('figure svg')].filter("
                "each => each.getBoundingClientRect().height > 20 && each.querySelector('path'))"
                ".length"
            )
            assert drawn >= 2, kind
            look_over(browser, width)


def test_a_report_of_two_hundred_columns_and_thirty_classes_stays_small(
    written: dict[str, Path],
) -> None:
    assert written["wide"].stat().st_size < 200_000
    assert max(each.stat().st_size for kind, each in written.items() if kind != "wide") < 70_000
