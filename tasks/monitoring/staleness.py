"""Staleness: whether a champion is worse than a challenger that learned from newer rows.

A challenger is trained when enough labels are new to the champion, and again when enough are new
to the last challenger; it is kept under `monitoring/NAME/yardsticks/`. Both predict rows of the
sources that neither has learned from, whether they were served or not. The backtest's `quality`
policy follows the same rule.
"""

from contextlib import suppress
from datetime import UTC, datetime

import polars as pl

from tasks.alarms.histograms import RECENT
from tasks.core.columns import CHALLENGER_PREDICTION, MATURED, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import PerennialError, first_line
from tasks.core.pinball import rearrange
from tasks.evaluation.bootstrap import compare, group_rows
from tasks.evaluation.metrics import error_of, measure
from tasks.monitoring.challenger import Challenger, train_challenger
from tasks.monitoring.context import MonitoringContext
from tasks.monitoring.ground_truth_join import target_of
from tasks.monitoring.holdout_comparison import as_array
from tasks.monitoring.new_data import count_needed
from tasks.monitoring.served_quantiles import explain_other
from tasks.preparation.labels import label_rows
from tasks.registry.code_digest import code_digest
from tasks.sources.query import SourceTable, collect, open_table
from tasks.storage.store import Store, reaching
from tasks.training.published_model import as_column

_MOST_ROWS = 500_000


class Staleness(Frozen):
    """`lost` says how a champion is worse than the challenger `as_of` a time, on so many `rows`.

    `problem` says why there is no challenger yet.
    """

    as_of: datetime | None = None
    rows: int = 0
    lost: str = ""
    problem: str = ""


def look_for_loss(definition: Definition, served: pl.DataFrame, now: datetime) -> str:
    """Say how a champion is worse than a challenger on the newest labels; nothing if it is not.

    `served` are rows that neither has learned from, with `TARGET`, `TIME` and the predictions of
    both. How hard rows are changes from month to month by more than a stale champion loses: a
    comparison with its own holdout hides that loss, one with a quick model of what is known by now
    shows it. The loss counts where its interval (paired bootstrap, by days) lies beyond the margin
    by which the gate would refuse a candidate.
    """
    matured = now - definition.target.matures_after
    oldest = matured - RECENT * definition.monitoring.window
    inside = pl.col(TIME).is_between(oldest, matured, closed="right")
    rows = served.filter(inside, pl.col(TARGET).is_not_null())
    if len(rows) < definition.monitoring.rows or rows[TARGET].n_unique() < 2:
        return ""
    gate, target, answers = definition.gate, rows[TARGET].to_numpy(), as_array(rows[PREDICTION])
    costs, kind, own_loss = definition.constant_costs, definition.target.kind, definition.own_loss
    own = measure(kind, target, answers, definition.threshold, costs=costs, own_loss=own_loss)
    margins = {definition.metric: gate.margin, definition.second_metric: gate.second_margin}
    for metric, margin in margins.items():
        gain = compare(
            metric,
            target,
            as_array(rows[CHALLENGER_PREDICTION]),
            answers,
            group_rows(rows[TIME], definition.training.seed),
            confidence=gate.confidence,
            threshold=definition.threshold,
            seed=definition.training.seed,
            costs=costs,
            own_loss=own_loss,
        )
        if gain.low > margin * error_of(metric, own[metric]):
            return (
                f"{metric} of a quick model is better by {gain.value:.4f} (interval {gain.low:.4f} "
                f"to {gain.high:.4f}) on {len(rows):,} rows"
            )
    return ""


def find_staleness(watch: MonitoringContext, store: Store) -> Staleness:
    """Compare the champion with the newest challenger; train the next one if that is worth it."""
    if watch.problem or watch.as_of is None or watch.champion.split.matured is None:
        return Staleness(problem=watch.problem or "rows carry no time: none is known to be new")
    if other := explain_other(watch.definition, watch.champion.definition):
        return Staleness(problem=other)
    since, learned = watch.champion.split.matured, watch.champion.learned
    found = Staleness(problem="too few labels are new to the champion for a challenger")
    try:
        kept = _find(watch, store, watch.as_of)
        if kept is not None:
            found = compare_with_challenger(watch, kept)
            since = kept.as_of - watch.definition.target.matures_after
            learned = kept.learned
        new = count_known(watch, since)
        if not found.lost and new >= count_needed(watch.definition, learned):
            step = max(1, watch.champion.lineage["snapshot_rows"] // _MOST_ROWS)
            _keep(watch, store, train_anew(watch, watch.as_of, step))
            if kept is None:
                trained = "a challenger was trained, for the rows that come from now on"
                found = Staleness(problem=trained)
    except PerennialError as error:
        return Staleness(problem=first_line(error))
    return found


def compare_with_challenger(watch: MonitoringContext, challenger: Challenger) -> Staleness:
    """Let both predict the last windows' rows that neither has learned from."""
    definition, champion, as_of = watch.definition, watch.champion, watch.as_of
    assert as_of is not None
    oldest = as_of - definition.target.matures_after - RECENT * watch.window
    rows = read_known(watch, max(challenger.as_of, oldest))
    if len(rows) < definition.monitoring.rows:
        return Staleness(as_of=challenger.as_of, rows=len(rows))
    predicted = challenger.predict(champion.features, champion.vocabulary, rows)
    quick = rearrange(champion.definition.pinball, predicted)
    both = {PREDICTION: champion.predict(rows), CHALLENGER_PREDICTION: quick}
    answers = {name: as_column(each) for name, each in both.items()}
    lost = look_for_loss(definition, rows.with_columns(**answers), as_of)
    return Staleness(as_of=challenger.as_of, rows=len(rows), lost=lost)


def train_anew(watch: MonitoringContext, as_of: datetime, step: int) -> Challenger:
    """Train a challenger on every `step`-th row of the champion's training query."""
    model = watch.champion
    window = model.definition.extract.window
    known = read_known(watch, as_of - window if window else None, step)
    classes = len(model.vocabulary.classes)
    made = train_challenger(
        model.definition, model.features, model.vocabulary, classes, known, as_of
    )
    return made.model_copy(update={"learned": step * len(known)})


def read_known(watch: MonitoringContext, since: datetime | None, step: int = 1) -> pl.DataFrame:
    """Read the sources' rows after a time whose label is known, in the order of their time."""
    table, known = _open_known(watch, since)
    wanted = known.select(TIME, TARGET, *watch.champion.features.columns)
    return collect(table, wanted.gather_every(step)).sort(TIME, maintain_order=True)


def count_known(watch: MonitoringContext, since: datetime) -> int:
    table, known = _open_known(watch, since)
    return int(collect(table, known.select(pl.len())).item())


def _open_known(
    watch: MonitoringContext, since: datetime | None
) -> tuple[SourceTable, pl.LazyFrame]:
    table = open_table(watch.definition, watch.project)
    rows = table.rows
    if since is not None and table.time is not None:
        rows = rows.filter(table.time > since)
    target, _ = target_of(watch, watch.champion.vocabulary.classes, table, rows)
    known = label_rows(watch.definition, watch.as_of, rows, target)
    return table, known.filter(pl.col(MATURED), pl.col(TARGET).is_not_null())


def _folder(watch: MonitoringContext) -> str:
    version = f"{watch.version}-{code_digest()[:10]}"
    return f"monitoring/{watch.definition.name}/yardsticks/{version}"


def _find(watch: MonitoringContext, store: Store, until: datetime) -> Challenger | None:
    """Find the champion's newest challenger as of a time."""
    folder, last = _folder(watch), _name(until)
    with reaching(store.root):
        newest = max((name for name in store.children(folder) if name <= last), default="")
        return Challenger.model_validate_json(store.read(f"{folder}/{newest}")) if newest else None


def _keep(watch: MonitoringContext, store: Store, made: Challenger) -> None:
    """Keep a champion's challenger, and remove those of other champions."""
    folder = _folder(watch)
    parent, _, mine = folder.rpartition("/")
    with reaching(store.root):
        for other in store.children(parent):
            if other != mine:
                store.remove(f"{parent}/{other}")
        with suppress(FileExistsError):  # another run made the same
            store.create(f"{folder}/{_name(made.as_of)}", made.model_dump_json().encode())


def _name(as_of: datetime) -> str:
    return f"{as_of.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.json"
