"""What a candidate changes against the champion, before it is published: for its report.

The champion's predictions are those by which the gate judged. Rows are counted and not shown: a
report is kept for good, and rows may have to be forgotten. Not responsible for the verdict.
"""

import json

import polars as pl

from tasks.comparison.decisions import Moves, measure_moves
from tasks.comparison.recorded_changes import Record, RecordedChanges, list_all_changes, read_record
from tasks.core.definition import Frozen
from tasks.evaluation.evaluate import Scored
from tasks.registry.versions import get_version
from tasks.storage.store import open_store, reaching
from tasks.training.published_model import load
from tasks.validation.candidate import Candidate, trace_lineage
from tasks.validation.champion_predictions import recall_predictions


class CandidateChanges(Frozen, arbitrary_types_allowed=True):
    """All that changed since the champion, and how the answers to unseen rows move.

    `reason` says why no answers can be compared; then there are no moves.
    """

    champion: str
    changes: RecordedChanges
    moves: Moves | None = None
    reason: str = ""


def compare_candidate(candidate: Candidate, scored: Scored) -> CandidateChanges | None:
    """Compare a candidate with the champion that it was judged against; None without one."""
    opponent = recall_predictions(scored)
    if opponent is None:
        return None
    plan, store = candidate.plan, open_store(candidate.plan.root)
    champion = load(store, get_version(store, plan.definition.name, opponent.version))
    changes = list_all_changes(read_record(champion), record_candidate(candidate))
    told = CandidateChanges(champion=opponent.version, changes=changes, reason=opponent.reason)
    if opponent.reason:
        return told
    rows = scored.read().filter(pl.Series(opponent.inside))
    moves = measure_moves(
        (champion.definition, opponent.predicted),
        (plan.definition, rows["predicted"].to_numpy()),
        rows,
        candidate.prepared.vocabulary.classes,
        plan.definition.gate.slice_rows,
    )
    return told.model_copy(update={"moves": moves})


def record_candidate(candidate: Candidate) -> Record:
    """Say how a candidate was made, as its files will say it."""
    plan, profile = candidate.plan, candidate.analysis.profile
    with reaching(str(profile)):
        data = profile.read_bytes()
    return Record(
        definition=plan.definition,
        expressions=plan.features.expressions,
        importance={each.feature: each.share for each in candidate.evaluation.importance},
        lineage=json.loads(json.dumps(trace_lineage(candidate))),
        code=plan.code.sources,
        profile=data,
    )
