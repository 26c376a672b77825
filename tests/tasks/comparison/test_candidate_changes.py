"""What a candidate's report says of the champion is what `perennial diff` says afterwards."""

from pathlib import Path

import pytest
from compared import DEFINITION, EARLY, KINDS, Versions, crown

from tasks.comparison.candidate_changes import CandidateChanges, compare_candidate
from tasks.comparison.compare import compare_versions
from tasks.evaluation.evaluate import Scored
from tasks.storage.store import open_store
from tasks.validation.candidate import Candidate

OTHER = DEFINITION.replace('c = "c"', 'x_k = "x * k"')


def changes(candidate: Candidate) -> CandidateChanges | None:
    return compare_candidate(
        candidate, Scored(path=candidate.prepared.path.with_name("scored.arrow"))
    )


def test_without_a_champion_there_is_nothing_to_say(versions: Versions) -> None:
    assert changes(versions.candidate()) is None


@pytest.mark.parametrize("kind", [*KINDS])
def test_it_is_what_a_comparison_of_both_versions_says(versions: Versions, kind: str) -> None:
    older = versions.make(DEFINITION.replace(*KINDS[kind]), EARLY)
    crown(older)
    candidate = versions.candidate(OTHER.replace(*KINDS[kind]))
    told = changes(candidate)
    newer = versions.publish(candidate)
    found = compare_versions(open_store(), older, newer, Path("fetched"), Path.cwd())
    assert told
    assert told.champion == older.version
    assert told.changes == found.changes
    assert told.moves
    assert told.moves.decisions == found.answers.decisions
    assert told.moves.differences == found.answers.differences
    assert told.moves.slices == found.answers.slices


def test_champion_of_another_target_is_a_reason(versions: Versions) -> None:
    crown(versions.make(as_of=EARLY))
    told = changes(versions.candidate(OTHER.replace(*KINDS["regression"])))
    assert told
    assert told.moves is None
    assert told.reason == "it predicts another target, 'y'"
    assert {each.name for each in told.changes.definition} >= {"target.value"}
