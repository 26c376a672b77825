"""What Prefect's pages say of a run: a name that tells model, as-of and verdict, and a last word.

Responsible for the names of flow runs and the messages of their final states. Not responsible for
what a verdict is, nor for the artifacts beside it (each flow makes its own).
"""

import logging
from datetime import datetime
from pathlib import PurePath
from typing import Any, cast

import httpx
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Completed

from tasks.core.checks import say_failed
from tasks.core.errors import first_line, harmless
from tasks.core.units import unit_of

log = logging.getLogger("perennial.runs")

_LONGEST = 300  # of a message: Prefect's list shows it in a line or two
_DECIDED = {"approve": "released", "release": "released", "reject": "rejected"}


def name_run() -> str:
    """Name a run that begins by its parameters: its model, and as of when or over what period."""
    given = flow_run.parameters
    model, as_of = PurePath(str(given.get("model", ""))), given.get("as_of")
    named = [model.stem if model.suffix == ".toml" else model.name]
    if as_of:
        named.append(f"as of {_date(as_of)}")
    if given.get("start") and given.get("end"):
        named.append(f"from {_date(given['start'])} to {_date(given['end'])}")
    return " ".join(named)


def _date(given: object) -> str:
    moment = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    return f"{moment:%Y-%m-%d}"


def conclude(done: dict[str, Any], verdict: str, said: str) -> dict[str, Any]:
    """End a run with a word in its name and a sentence in its final state; give what it made.

    Without a run there is nothing to be named. A name that the server did not take is logged: the
    run has done its work.
    """
    if not flow_run.id:
        return done
    try:
        with get_client(sync_client=True) as client:
            client.set_flow_run_name(flow_run.id, f"{name_run()}: {verdict}")
    except httpx.HTTPError as error:
        log.warning("the run keeps its name: %s", first_line(error))
    line = harmless(" ".join(said.split()))
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return cast(dict[str, Any], Completed(message=short, data=done))  # which Prefect unwraps


def say_candidate(made: dict[str, Any], *, known: bool) -> str:
    """Say what became of a candidate: the gate's metric before and after, or what refused it."""
    version, bad = made["version"], say_failed(made["checks"])
    if known and "release" not in made:
        return f"nothing to do: {version} is there already, its gate {made['verdict']} it"
    if bad:
        return f"refused {version}: {bad}"
    what = "released" if "release" in made else "waits for a decision"
    return f"passed {version}: {_compare(made)}; {what}"


def say_decision(described: dict[str, Any], model: str, action: str) -> tuple[str, str]:
    """Say what was decided, in a word or two and with the version."""
    word = _DECIDED.get(action, "rolled back to")
    return word, f"{word} {model} {described['version']}"


def _compare(made: dict[str, Any]) -> str:
    """Give the first metric by which a kind of target is judged, beside the champion's."""
    champion = made["champion"]
    ours = champion["candidate"] if champion else made["metrics"]["holdout"]
    name, value = next(iter(ours.items()))
    before = f"{champion['metrics'][name]:.4f} → " if champion else ""
    return f"{name.replace('_', ' ')} {before}{value:.4f}{unit_of(name, made.get('unit'))}"
