"""Print results: tables and sentences for people, or one JSON object for programs.

Responsible for the terminal: results go to standard output, progress and errors to standard error.
Not responsible for finding out what it prints.
"""

import ctypes
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from tasks.core.errors import harmless
from tasks.core.units import unit_of


class Plain(Console):
    """A console that prints text as it is: no markup, no emoji, no control characters."""

    def render_str(self, text: str, **given: Any) -> Text:
        given |= {"markup": False, "emoji": False}
        return super().render_str(harmless(text), **given)


class Harmless(logging.Formatter):
    """A formatter that escapes control characters in log lines."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


out, err = Plain(), Plain(stderr=True)


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show a status line and the steps' log on standard error while the block runs."""
    steps = logging.getLogger("perennial")
    steps.setLevel(logging.INFO)
    handler = RichHandler(console=err, show_path=False, show_level=False, log_time_format="%X")
    handler.setFormatter(Harmless("%(name)s  %(message)s"))
    steps.addHandler(handler)
    with silent_output(), err.status(doing):
        try:
            yield
        finally:
            steps.removeHandler(handler)


@contextmanager
def silent_output() -> Iterator[None]:
    """Redirect all standard output of this process and its children to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C still holds back
        os.dup2(kept, 1)
        os.close(kept)


def print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def print_json_line(value: dict[str, Any]) -> None:
    """Print an object in one line at once, for a program that reads while this one goes on."""
    print(json.dumps(value), flush=True)


def print_error(message: str) -> None:
    err.print(f"perennial: {message}", style="red", highlight=False, soft_wrap=True)


def new_table(*headers: str, show_header: bool = True, whole: Iterable[int] = ()) -> Table:
    """Make a table without lines around it; columns that are whole are never broken or cut."""
    table = Table(*headers, box=None, pad_edge=False, show_header=show_header)
    for number in whole:
        table.columns[number].no_wrap = True
    return table


def print_title(text: str) -> None:
    out.print(Text(harmless(text), "bold"), soft_wrap=True)


def print_version(found: dict[str, Any]) -> None:
    """Print one version: verdict, gate checks, metrics beside its rivals', and warnings."""
    passed = found["verdict"] == "passed"
    _print_head(found["model"], found["version"], found["verdict"], "green" if passed else "red")
    checks = new_table("", "gate check", "")
    for check in found["checks"]:
        name = check["name"].replace("_", " ")
        checks.add_row(_mark(check["passed"]), name, check["detail"])
    out.print(checks)
    champion = (found["champion"] or {}).get("metrics")
    columns = {
        "holdout": found["metrics"]["holdout"],
        "champion": champion,
        "simple": found["simple"],
        "baseline": found["baseline"],
        "train": found["metrics"]["train"],
    }
    shown = {name: metrics for name, metrics in columns.items() if metrics}
    table = new_table("metric", *shown)
    for metric in found["metrics"]["holdout"]:
        named = metric + unit_of(metric, found.get("unit"))
        table.add_row(named, *(f"{metrics[metric]:.4f}" for metrics in shown.values()))
    out.print(table)
    for warning in found["warnings"]:
        out.print(_styled("warning", "yellow"), warning)
    rows = ", ".join(f"{count:,} {part}" for part, count in found["rows"].items())
    seconds = sum(found["seconds"].values())
    out.print(f"rows {rows}\nseconds {seconds:.1f}\nreport {found['report']}", soft_wrap=True)


def print_waiting(model: str, version: str) -> None:
    """Print the command that approves a version."""
    command = f"perennial approve {model} {version} --as NAME --reason TEXT"
    out.print(f"waits for a decision; to release it: {command}", soft_wrap=True)


def print_release(done: dict[str, Any]) -> None:
    """Print a decision's result, and how its bento is served."""
    out.print(done["summary"], soft_wrap=True)
    if "bento" in done:
        out.print(f"serve it: perennial serve {done['model']}", soft_wrap=True)
        out.print(f"or as it is: bentoml serve {done['bento']}", soft_wrap=True)


def print_materialised(done: dict[str, Any]) -> None:
    for name, table in done["tables"].items():
        known = f"as known at {table['as_of']}" if table["as_of"] else "without time"
        out.print(f"{name}: {table['entities']:,} entities, {known}")


def print_monitored(found: dict[str, Any]) -> None:
    """Print alerts, the status of each part, and warnings."""
    if found["champion"] is None:
        out.print(found["warnings"][0])
        return
    colour, word = ("red", "action needed") if found["events"] else ("green", "no action needed")
    _print_head(found["model"], found["champion"], word, colour)
    events = new_table("alert", "", "finding")
    for each in found["events"]:
        why = f" ({each['detail']})" if each["detail"] else ""
        because = f"\nroot cause: {each['cause']}" if each.get("cause") else ""
        said = each["reason"] + why + because
        events.add_row(_styled(each["kind"], "red"), each["state"], said)
    if found["events"]:
        out.print(events)
    states = new_table("", "status")
    for name, said in found["summary"].items():
        states.add_row(name, said)
    out.print(states)
    for warning in found["warnings"]:
        out.print(_styled("warning", "yellow"), warning)
    out.print(f"report {found['report']}", soft_wrap=True)


def print_backtest(done: dict[str, Any]) -> None:
    metrics = done["metric"], done["second"]
    means = [f"mean {each}" for each in metrics]
    table = new_table("policy", *means, "retrains", "promoted", "refused", "seconds")
    for policy, track in done["policies"].items():
        scores = [f"{track['mean'][each]:.4f}" if track["mean"] else "–" for each in metrics]
        counts = len(track["retrains"]), track["promotions"], track["refusals"]
        table.add_row(policy, *scores, *map(str, counts), f"{track['seconds']:.0f}")
    out.print(table)
    for sentence in done["told"]:
        out.print(sentence)
    out.print(f"report {done['report']}", soft_wrap=True)


def print_drill(done: dict[str, Any]) -> None:
    table = new_table("", "fault", "caught by", "what it said")
    for each in done["faults"]:
        guard, detail = each["guard"] or "nothing", each["detail"]
        table.add_row(_mark(each["caught"]), each["fault"], guard, detail)
    out.print(table)
    for each in done["false_alarms"]:
        out.print(_styled("without a fault", "red"), f"{each['guard']}: {each['detail']}")
    out.print(f"{done['caught']} of {len(done['faults'])} faults caught")


def print_reproduction(found: dict[str, Any]) -> None:
    table = new_table("", "file", show_header=False)
    for name in (*found["same"], *found["different"]):
        same = name in found["same"]
        table.add_row(_mark(same), name, "the same" if same else "differs")
    out.print(table)
    for cause in found["causes"] or ["everything is as it was then"]:
        out.print(cause, soft_wrap=True)


def print_findings(findings: Iterable[dict[str, Any]]) -> None:
    table = new_table(show_header=False)
    for each in findings:
        mend = "" if each["well"] else f"\n→ {each['mend']}"
        table.add_row(_mark(each["well"]), each["name"], each["detail"] + mend)
    out.print(table)


def _print_head(model: str, version: str, word: str, colour: str) -> None:
    head = (f"\n{harmless(model)}", "bold"), f" {harmless(version)}  ", (word, f"bold {colour}")
    out.print(Text.assemble(*head))


def _mark(well: bool) -> Text:
    return _styled("✓", "green") if well else _styled("✗", "red")


def _styled(text: str, style: str) -> Text:
    return Text(harmless(text), style)
