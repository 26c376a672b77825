"""What a run leaves on Prefect's pages: its summary with tables that are not clipped, and links.

Prefect's pages cut Markdown's tables off at the right edge (3.9.1, both of its pages), so they are
written as HTML's, which break lines. Responsible for these, and for links to our page, to reports
and to the form that decides: only those that lead somewhere. Not responsible for what a summary
says (`tasks.reports`), nor for names and last words of runs (`run_page`).
"""

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import httpx
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tasks.core.errors import PerennialError, first_line
from tasks.processes.settings import read_ready, settle_environment
from tasks.processes.supervisor import find_supervisor
from tasks.registry.signatures import find_signers
from tasks.reports.formatting import escape_markdown, markdown_table

log = logging.getLogger("perennial.runs")

_TABLE = re.compile(r"^\| .*(?:\n\| .*)*", re.MULTILINE)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]|#~])")  # by `escape_markdown`

_FEW = 5  # columns of a table that a phone has room for

Link = tuple[str, str]


def leave(key: str, summary: str, links: Iterable[Link]) -> None:
    """Leave a summary in Markdown as a run's artifact, with links below its first block."""
    first, _, rest = widen_tables(summary).partition("\n\n")
    title = re.sub("^# ", "## ", first.rstrip("\n"))  # in the largest, a version is cut on phones
    named = " · ".join(f"[{escape_markdown(text)}]({address})" for text, address in links)
    blocks = [title, named, rest.rstrip("\n")]
    create_markdown_artifact(key=key, markdown="\n\n".join(filter(None, blocks)) + "\n")


def widen_tables(markdown: str) -> str:
    r"""Write the tables that `markdown_table` made as HTML's, which Prefect's pages do not clip.

    A table with many columns and few rows is laid on its side, for a phone.

    >>> print(widen_tables("Said\n\n| A |\n| --- |\n| x\\_y, &lt;b&gt; |"))
    Said
    <BLANKLINE>
    <table cellpadding="4">
    <tr><th align="left"><small>A</small></th></tr>
    <tr><td><small>x_y, &lt;b&gt;</small></td></tr></table>
    """
    return _TABLE.sub(lambda found: _write_table(found[0].splitlines()), markdown)


def _write_table(lines: Iterable[str]) -> str:
    heads, _, *rows = map(_read_row, lines)
    if _FEW < len(heads) > len(rows) + 1:
        heads, *rows = map(list, zip(heads, *rows, strict=True))
    named = "".join(f'<th align="left"><small>{head}</small></th>' for head in heads)
    told = ["".join(f"<td><small>{cell}</small></td>" for cell in row) for row in rows]
    written = "\n".join(f"<tr>{each}</tr>" for each in [named, *told])
    return f'<table cellpadding="4">\n{written}</table>'


def _read_row(line: str) -> list[str]:
    """Read a row's cells, whose own bars are escaped; HTML in them stays so, too."""
    return [_ESCAPED.sub(r"\1", cell) for cell in line[2:-2].split(" | ")]


def write_facts(title: str, facts: Iterable[Sequence[str]]) -> str:
    """Write a summary that is one table of names and values."""
    return f"# {escape_markdown(title)}\n\n{markdown_table(['What', 'Value'], facts)}\n"


def link_candidate(model: str, version: str, *, waits: bool) -> Iterator[Link]:
    """Link to a version, its report and, where it waits for a decision, to where that is made."""
    place = f"models/{quote(model, safe='')}/versions/{quote(version, safe='')}"
    yield from _link_pages(
        ("Look and decide" if waits else "This version", place + "#decide" * waits),
        ("Report", f"{place}/report"),
        ("The model", f"models/{quote(model, safe='')}"),
    )
    if waits:
        yield from link_form(model, version)


def link_look(model: str, look: str, *, waits: bool) -> Iterator[Link]:
    """Link to a look of the monitor, its report and, where a candidate waits, to the inbox."""
    place = f"models/{quote(model, safe='')}"
    at = f"{place}/looks/{quote(look, safe='')}"
    pages = [("This look", at), ("Report", f"{at}/report"), ("The model", place)]
    yield from _link_pages(*pages, *([("Inbox", "inbox")] if waits else []))


def link_model(model: str) -> Iterator[Link]:
    """Link to a model."""
    yield from _link_pages(("The model", f"models/{quote(model, safe='')}"))


def link_form(model: str, version: str) -> Iterator[Link]:
    """Link to the form of Prefect's own page that decides on a version.

    There is none without the deployment, nor where a person's key has to sign. The address has no
    host: whoever reads it is on Prefect's page already, by whatever name that has there.
    """
    try:
        if find_signers(model) is not None:
            return
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(f"release/{model}").id
    except ObjectNotFound:
        return
    except (httpx.HTTPError, PerennialError) as error:
        log.warning("no link to the form that decides: %s", first_line(error))
        return
    given = quote(json.dumps({"model": model, "version": version}))
    yield "Prefect's form", f"/deployments/deployment/{deployment}/run?parameters={given}"


def find_page() -> str | None:
    """Find our page's address: of the system that this run, or the one here, belongs to."""
    try:
        here = settle_environment()
    except PerennialError:  # said by what needs it; the run's work is done
        return None
    if "PERENNIAL_PAGE_PORT" not in os.environ:
        running = read_ready(here) if find_supervisor(here.keeper) else None
        if running is None:
            return None
        here = running
    return here.address_of(here.page_port)


def _link_pages(*pages: Link) -> Iterator[Link]:
    page = find_page()
    for text, place in pages if page else ():
        yield text, f"{page}/{place}"
