"""The Python API: what the commands of `perennial` do, as functions; `import perennial` has them.

Each takes what its command takes and returns what that prints with `--json`, or raises what ends
that, a `PerennialError`. Responsible for the order of refusals, and for Prefect's start. Not
responsible for what a flow does, nor for what is printed.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flows.commands.options import name_of
from flows.prefect_connection import check_server
from tasks.core.time_zones import in_utc
from tasks.storage.store import open_store, work_folder

if TYPE_CHECKING:
    import polars as pl

    from tasks.prediction.batch_scoring import Scorer
    from tasks.registry.decisions import Decision

Moment = datetime | str | None
Action = Literal["approve", "reject", "rollback"]


class Champion:
    """A released model in this process; releases that come later do not change it."""

    def __init__(self, scorer: "Scorer") -> None:
        self._scorer = scorer

    @property
    def version(self) -> str:
        return self._scorer.model.version

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self._scorer.model.features.expressions)

    @property
    def columns(self) -> dict[str, str]:
        """The columns that features need, with their types."""
        return dict(self._scorer.model.features.columns)

    def predict(self, rows: "pl.DataFrame | Iterable[Mapping[str, Any]]") -> "pl.DataFrame":
        """Predict raw rows, in their order; give the columns that `perennial score` writes."""
        import polars as pl

        from tasks.prediction.batch_scoring import score_table

        with work_folder(open_store(self._scorer.model.root)) as folder:
            given, scored = folder / "rows.parquet", folder / "predictions.parquet"
            if isinstance(rows, pl.DataFrame):
                rows.write_parquet(given)
            else:
                given = given.with_suffix(".ndjson")  # read as strictly as the service reads JSON
                given.write_text("".join(f"{_write_row(row)}\n" for row in rows), "utf-8")
            score_table(self._scorer, str(given), str(scored), folder, None)
            return pl.read_parquet(scored)


@contextmanager
def running(flow: str) -> Iterator[Any]:
    """Give a flow's module, imported while Prefect's server starts, if none is set."""
    # Prefect's console would show a traceback for every refusal; its own page still has it.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.temporary_server import start_server

    check_server()
    wait = start_server()
    module = import_module(f"flows.{flow}")
    wait()
    yield module


def retrain(
    model: str, as_of: Moment = None, approve_as: str | None = None, tune: int = 0
) -> dict[str, Any]:
    """Train a candidate, judge it by its gate and publish it; or find it done."""
    if approve_as is not None:
        from tasks.registry.signatures import take_own_key

        take_own_key(name_of(model))
    from tasks.sources.preflight import check_columns, check_past

    moment = _read_time(as_of)
    check_past(moment, check_columns(model).extract.time is not None)
    from flows.retrain import find_done

    done = find_done(model, moment, approve_as, tune)
    if done is None:
        with running("retrain") as flows:
            done = flows.retrain(model, moment, approve_as, tune)
    return done


def approve(
    model: str, version: str, approver: str, reason: str, override: bool = False
) -> dict[str, Any]:
    """Approve a candidate: its bento is built and tested, then it is the champion."""
    said = {"version": version, "approver": approver, "reason": reason, "override": override}
    return decide(model, "approve", **said)


def reject(model: str, version: str, approver: str, reason: str) -> dict[str, Any]:
    """Reject a candidate for good."""
    return decide(model, "reject", version=version, approver=approver, reason=reason)


def rollback(model: str, approver: str, reason: str, to: str = "") -> dict[str, Any]:
    """Make an earlier champion the champion again: the one before, or the one that is named."""
    return decide(model, "rollback", version=to, approver=approver, reason=reason)


def decide(model: str, action: Action, **said: Any) -> dict[str, Any]:
    """Check a decision against the ledger, then run the release flow with it."""
    from tasks.registry.decisions import Decision
    from tasks.registry.signatures import take_own_key

    decision = Decision(model=name_of(model), action=action, **said)
    take_own_key(decision.model)
    return carry_out(decision)


def carry_out(decision: "Decision") -> dict[str, Any]:
    """Decide by the keys that this process has been given; a form has been given none."""
    from tasks.registry.decisions import refuse_beforehand

    refuse_beforehand(open_store(), decision)
    with running("release") as flows:
        done: dict[str, Any] = flows.release(*decision.model_dump().values())  # in the same order
    return done


def score(
    model: str, source: str, target: str, log: bool = False, explain: int | None = None
) -> dict[str, Any]:
    """Let the champion predict a whole table, of any size, into a file."""
    from tasks.sources.preflight import check_explain, check_target, need_champion

    name, store = name_of(model), open_store()
    check_target(target)
    check_explain(store, need_champion(store, name, "to score with"), explain)
    with running("score") as flows:
        done: dict[str, Any] = flows.score(name, source, target, log, explain)
    return done


def load(model: str) -> Champion:
    """Load the champion, its files checked against what was approved, to predict rows in memory."""
    from tasks.sources.preflight import need_champion

    name, store = name_of(model), open_store()
    champion = need_champion(store, name, "to predict with")
    from flows.score import load_scorer

    return Champion(load_scorer(store, champion))


def predict(model: str, rows: "pl.DataFrame | Iterable[Mapping[str, Any]]") -> "pl.DataFrame":
    """Let the champion predict rows in memory; `load` it once where this is done often."""
    return load(model).predict(rows)


def status(model: str | None = None) -> dict[str, Any]:
    """Tell each model's champion, its candidates and what waits for a decision.

    Of all models, one that cannot be read is among the problems, by its name, and hides no other.
    """
    from tasks.registry.overview import describe_model, describe_models

    store = open_store()
    if not model:
        return describe_models(store)
    name = name_of(model)
    return {"root": store.root, "models": {name: describe_model(store, name)}, "problems": {}}


def show(model: str, version: str) -> dict[str, Any]:
    """Tell one version's verdict, checks, metrics and where its report is."""
    from tasks.registry.overview import describe_version
    from tasks.registry.versions import get_version

    store = open_store()
    return describe_version(store, get_version(store, name_of(model), version))


def diff(model: str, before: str | None = None, after: str | None = None) -> dict[str, Any]:
    """Tell what changed between two versions, and what that changes in their answers."""
    from tasks.comparison.version_pair import choose_pair

    store, name = open_store(), name_of(model)
    pair = choose_pair(store, name, before, after)
    from tasks.comparison.compare import compare_versions

    with work_folder(store) as folder:
        return compare_versions(store, *pair, folder, Path.cwd()).model_dump(mode="json")


def history(model: str) -> dict[str, Any]:
    """Tell a model's versions and every decision on them; the ledger's chain is verified."""
    from tasks.registry.overview import describe_history
    from tasks.serving.bento_archive import describe_proofs

    store, name = open_store(), name_of(model)
    found, proofs = describe_history(store, name), describe_proofs(store, name)
    return found | {"proofs": {version: proof.model_dump() for version, proof in proofs.items()}}


def _write_row(row: Mapping[str, Any]) -> str:
    return json.dumps(dict(row), default=lambda each: each.isoformat())


def _read_time(given: Moment) -> datetime | None:
    if given is None:
        return None
    return in_utc(datetime.fromisoformat(given) if isinstance(given, str) else given)
