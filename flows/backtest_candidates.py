"""The models of a backtest: made by the real steps, shared between policies, and promoted.

Candidates of the same time and against the same champion are made once for all policies. The
steps, the gate and the ledger are the real ones, in a registry of each policy's own.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from bentos.model import Model, load_folder
from flows.retrain import make_candidate, plan_retrain
from tasks.alarms.histograms import RECENT
from tasks.core.columns import TIME
from tasks.core.definition import Definition
from tasks.core.errors import DataRefused, SourceChanged, first_line
from tasks.extraction.run_plan import Plan
from tasks.monitoring.reference import ChampionReference, recall_reference
from tasks.registry.decisions import Decision, record, record_release
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import Published, find, read_json
from tasks.storage.store import Store, work_folder
from tasks.training.published_model import load

APPROVER = "backtest (gate passed)"


@dataclass(frozen=True)
class LaneChampion:
    """A champion in one policy's registry: what answers, what it learned, when it took over."""

    published: Published
    model: Model
    learned: int
    matured: datetime
    since: datetime


@dataclass
class Past:
    """What all lanes share: the rows, the dates, and the candidates that were made already.

    Targets and answers are by the `classes` of all rows: a champion may not know all of them yet.
    """

    model: str
    plan: Plan
    rows: pl.DataFrame
    classes: tuple[str, ...]
    dates: Sequence[datetime]
    folder: Path
    made: dict[tuple[datetime, str], tuple[Store, Published | str, float]] = field(
        default_factory=dict
    )
    references: dict[str, ChampionReference] = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        return self.plan.definition

    def compared_until(self, now: datetime) -> datetime:
        """Find the calendar date up to which a model promoted now is compared with the old one.

        Two days would say nothing.
        """
        least = now + RECENT * self.definition.monitoring.window
        return next((date for date in self.dates if date >= least), self.dates[-1])

    def between(self, start: datetime, end: datetime) -> slice:
        """Find the rows after one time, up to another."""
        times = self.rows[TIME]
        ends = [int(times.search_sorted(each, side="right")) for each in (start, end)]
        return slice(*ends)


def list_failed(store: Store, published: Published) -> str:
    """Give what a candidate's gate found wrong with it."""
    checks = read_json(store, published, "verdict.json")["checks"]
    return "; ".join(each["detail"] for each in checks if not each["passed"])


def make_or_share(
    past: Past, store: Store, as_of: datetime, champion: Published | None
) -> tuple[Published | str, float]:
    """Make a candidate, or take the one that another policy made of the same; or say why not."""
    key = as_of, champion.version if champion else ""
    if key not in past.made:
        begun = time.monotonic()
        made = make(past, store, as_of)
        past.made[key] = store, made, time.monotonic() - begun
    owner, made, seconds = past.made[key]
    if isinstance(made, str) or owner is store:
        return made, seconds
    snapshot = read_json(owner, made, "lineage.json")["snapshot"]
    for path in (snapshot_path(snapshot), made.path):
        if find(store, path) is None:
            shutil.copytree(Path(owner.root, path), Path(store.root, path))
    shared = find(store, made.path)
    assert shared is not None
    return shared, seconds


def make(past: Past, store: Store, as_of: datetime) -> Published | str:
    """Run the steps of a retrain in a policy's own registry; no report is drawn."""
    plan = plan_retrain(past.model, as_of).model_copy(update={"root": store.root})
    for name, digest in plan.sources.items():
        if past.plan.sources[name] != digest:
            raise SourceChanged(f"[sources] {name} changed while it was replayed; run again")
    try:
        with work_folder(store) as folder:
            return make_candidate(plan, store, folder, lambda candidate: {})
    except DataRefused as refused:
        return first_line(refused)


def promote(past: Past, store: Store, published: Published) -> None:
    """Approve what passed, and name it the champion; no bento is built."""
    decision = Decision(
        model=past.definition.name,
        version=published.version,
        action="approve",
        approver=APPROVER,
    )
    approval = record(store, decision, published)
    record_release(store, approval, decision.model, bento="")


def load_champion(store: Store, published: Published, since: datetime) -> LaneChampion:
    made = load(store, published)
    assert made.split.matured is not None, "a replay needs rows with a time"
    return LaneChampion(
        published=published,
        model=load_folder(Path(store.root, published.path)),
        learned=made.learned,
        matured=made.split.matured,
        since=since,
    )


def recall(past: Past, store: Store, published: Published) -> ChampionReference:
    """Give the reference of a champion, computed once for all policies that have it."""
    if published.digest not in past.references:
        with work_folder(store) as folder:
            past.references[published.digest] = recall_reference(load(store, published), folder)
    return past.references[published.digest]
