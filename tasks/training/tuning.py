"""Hyperparameter tuning: LightGBM's parameters searched on the training window, before training.

A trial is judged on slices of the window that are later than the rows it learned from (forward
chaining). The definition's own parameters are the first trial. A killed search goes on where it
was. What to try next says `optuna_search`; the holdout is never read.
"""

import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from pydantic import ValidationError

from tasks.core.columns import GROUP, TIME
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, DefinitionError
from tasks.core.progress import tell_progress
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.registry.code_digest import model_code_digest
from tasks.registry.versions import name_version
from tasks.storage.store import reaching
from tasks.training.datasets import Parameters, take_rows
from tasks.training.early_stopping import find_best_round
from tasks.training.optuna_search import Trial, complete_parameters, propose, tuner
from tasks.training.rare_class import steady_for
from tasks.training.train import make_dataset, recall_parameters

log = logging.getLogger("perennial.tuning")

_EDGES = (0.55, 0.7, 0.85, 1.0)  # a slice between each two, judged by all that is older
_SLICE_ROWS = 50
_MOST_TRIALS = 1000


class Search(Frozen):
    """The trials that are done, kept so that a killed run goes on where it was."""

    key: str
    trials: tuple[Trial, ...] = ()


TuningSlice = tuple[lightgbm.Dataset, lightgbm.Dataset]


def name_search(trials: int) -> tuple[str, ...]:
    """Say what a version owes to tuning, for its name; nothing where there is none."""
    if not 0 <= trials <= _MOST_TRIALS:
        raise DefinitionError(f"--tune {trials}: must be a number of trials, 0 to {_MOST_TRIALS}")
    return (f"tune {trials}", json.dumps(tuner())) if trials else ()


def search_parameters(plan: Plan, prepared: Prepared, kept: Path) -> tuple[Trial, ...]:
    """Try as many sets of parameters as the plan says, and go on from those that are kept."""
    if not plan.tune:
        return ()
    made_of = (plan.snapshot, plan.definition.digest, model_code_digest(), json.dumps(tuner()))
    key = name_version(plan.as_of, *made_of)
    trials = _read_search(kept, key)[: plan.tune]
    if trials:
        log.info("%d trials were done before", len(trials))
    if len(trials) == plan.tune:
        return trials
    # A feature that a large leaf rules out must not be missing where leaves are small.
    params = steady_for(plan, prepared, recall_parameters(plan, prepared))
    params["feature_pre_filter"] = False
    slices = cut_slices(plan, prepared, params)
    while len(trials) < plan.tune:
        trials = (*trials, _try_next(plan, params, slices, trials))
        _keep_search(kept, Search(key=key, trials=trials))
        _log_trial(trials, plan.tune)
        tell_progress("tuning", "trial", len(trials), plan.tune)
    return trials


def best_trial(trials: Sequence[Trial]) -> int:
    """Give the place of the trial with the least loss over all slices, the first of equals."""
    return min(
        (place for place, each in enumerate(trials) if not each.pruned),
        key=lambda place: trials[place].loss,
    )


def take_best(plan: Plan, trials: Sequence[Trial]) -> Plan:
    """Give the plan that trains by the best trial; without trials it is what it was."""
    return _adjust(plan, trials[best_trial(trials)].params) if trials else plan


def cut_slices(plan: Plan, prepared: Prepared, params: Parameters) -> list[TuningSlice]:
    """Cut the training window: later rows to judge by, and those whose label was known before.

    Rows without a time are judged by others drawn at random. No group is on both sides.
    """
    rows = make_dataset(_adjust(plan, params), prepared, SplitRole.FIT, SplitRole.STOP)
    (place, delay), groups = _place_rows(plan, prepared), _draw_groups(plan, prepared)
    edges = np.quantile(place, _EDGES, method="lower")
    cut = []
    for turn, (start, end) in enumerate(itertools.pairwise(edges)):
        older, judged = place < start - delay, (place >= start) & (place < end)
        if groups is not None and plan.as_of is not None:
            theirs = groups % (len(_EDGES) - 1) == turn
            older, judged = older & ~theirs, judged & theirs
        if min(older.sum(), judged.sum()) >= _SLICE_ROWS:
            cut.append((take_rows(rows, older), take_rows(rows, judged)))
    if not cut:
        raise DataRefused(
            f"{plan.origin}: --tune: the training window is too short to be cut into slices of "
            f"{_SLICE_ROWS} rows; give more history, or leave --tune out"
        )
    return cut


def _place_rows(plan: Plan, prepared: Prepared) -> tuple[Any, float]:
    """Put rows in order of time, or at random where there is none; tell how late labels come."""
    times = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(TIME).collect()[TIME]
    groups = _draw_groups(plan, prepared)
    if plan.as_of is None and groups is not None:
        return groups, 0.0
    if plan.as_of is None:
        return np.random.default_rng(plan.definition.training.seed).permutation(len(times)), 0.0
    delay = plan.definition.target.matures_after.total_seconds() * 1e6
    return times.dt.epoch("us").to_numpy(), delay


def _draw_groups(plan: Plan, prepared: Prepared) -> Any:
    """Give each training row its group's number, drawn at random; None without groups."""
    if plan.definition.training.group is None:
        return None
    group = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(GROUP).collect()[GROUP]
    numbers = np.random.default_rng(plan.definition.training.seed).permutation(group.n_unique())
    return numbers[group.rank("dense").to_numpy().astype(np.int64) - 1]


def _try_next(
    plan: Plan, params: Parameters, slices: Sequence[TuningSlice], done: Sequence[Trial]
) -> Trial:
    """Ask what to try after these trials, and try it slice by slice, until it is hopeless."""
    asked = propose(params, done, plan.definition.training.seed)
    ours = complete_parameters(params, asked.params) if done else {}
    losses = list[float]()
    for loss in _judge(plan, {**params, **ours}, slices):
        losses.append(loss)
        asked.report(sum(losses) / len(losses), len(losses))
        if done and len(losses) < len(slices) and asked.should_prune():
            return Trial(params=ours, losses=tuple(losses), pruned=True)
    return Trial(params=ours, losses=tuple(losses))


def _judge(plan: Plan, params: Parameters, slices: Sequence[TuningSlice]) -> Iterator[float]:
    """Train on what is older than each slice, and give the loss on it where training stops."""
    for older, judged in slices:
        settled = find_best_round(
            plan.definition, params, older, judged, timed=plan.as_of is not None
        )
        yield settled.curve[settled.rounds - 1]


def _adjust(plan: Plan, params: Parameters) -> Plan:
    """Give a plan whose definition sets these parameters; it says nothing of its digest."""
    return plan.with_training(params={**plan.definition.training.params, **params})


def _read_search(kept: Path, key: str) -> tuple[Trial, ...]:
    try:
        search = Search.model_validate_json(kept.read_bytes())
    except (FileNotFoundError, ValidationError):
        return ()
    return search.trials if search.key == key else ()


def _keep_search(kept: Path, search: Search) -> None:
    """Replace the file at once: who is killed leaves the trials before, whole."""
    with reaching(str(kept)):
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".new")
        draft.write_text(search.model_dump_json(indent=1), encoding="utf-8")
        draft.replace(kept)


def _log_trial(trials: Sequence[Trial], asked: int) -> None:
    last = "pruned" if trials[-1].pruned else f"loss {trials[-1].loss:.5f}"
    best = trials[best_trial(trials)].loss
    log.info("trial %d of %d: %s; best %.5f", len(trials), asked, last, best)
