"""Two real versions set against each other, as the gate compares them, and either way round."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compared import DEFINITION, EARLY, KINDS, LATE, TIMELESS, Versions, crown
from sklearn.metrics import f1_score, roc_auc_score

from tasks.comparison.compare import Comparison, compare_versions
from tasks.comparison.shared_rows import find_shared
from tasks.core.columns import TARGET
from tasks.registry.versions import Published, read_json
from tasks.storage.store import open_store
from tasks.training.published_model import load

OTHER = DEFINITION.replace("num_leaves = 7", "num_leaves = 15")


def compare(before: Published, after: Published) -> Comparison:
    return compare_versions(open_store(), before, after, Path("fetched"), Path.cwd())


def test_same_model_twice_flips_nothing_and_says_that_nothing_changed(versions: Versions) -> None:
    made = versions.make()
    found = compare(made, made)
    assert (found.nothing_changed, found.same_model) == (True, True)
    assert found.answers.rows == found.answers.held_out
    assert found.answers.decisions
    assert (found.answers.decisions.flipped, found.answers.examples) == (0, ())
    assert {each.gain.value for each in found.answers.metrics} == {0.0}
    told = compare(made, versions.make('description = "another"\n' + DEFINITION))
    assert (told.nothing_changed, told.same_model) == (False, True)
    assert told.answers.decisions == found.answers.decisions


def test_models_with_other_intervals_are_not_the_same(versions: Versions) -> None:
    text = DEFINITION.replace(*KINDS["regression"])
    before, after = (
        versions.make(f"{text}[serving]\ninterval = {share}\n") for share in (0.8, 0.9)
    )
    assert before.manifest.files["model.txt"] == after.manifest.files["model.txt"]
    assert not compare(before, after).same_model


@pytest.mark.parametrize("kind", [*KINDS])
def test_metrics_are_those_by_which_the_gate_judged(versions: Versions, kind: str) -> None:
    change = KINDS.get(kind, ("", ""))
    older = versions.make(DEFINITION.replace(*change), EARLY)
    crown(older)
    newer = versions.make(OTHER.replace(*change))
    found, store = compare(older, newer), open_store()
    verdict = read_json(store, newer, "verdict.json")
    champion = verdict["champion"]
    assert champion["version"] == older.version
    assert found.answers.rows == champion["rows"]
    assert {each.metric: each.before for each in found.answers.metrics} == champion["metrics"]
    assert {each.metric: each.after for each in found.answers.metrics} == champion["candidate"]
    checks = {check["name"]: check["numbers"] for check in verdict["checks"]}
    first = found.answers.metrics[0]
    assert first.gain.value == checks["not_worse_than_champion"]["value"]
    assert first.gain.low == checks["not_worse_than_champion"]["low"]
    told = found.answers.decisions or found.answers.differences
    assert told
    assert told.rows == champion["rows"]
    assert (found.answers.differences is not None) == (kind in ("regression", "quantiles"))


def test_either_way_round_the_same_is_said_with_the_signs_turned(versions: Versions) -> None:
    older, newer = versions.make(as_of=EARLY), versions.make(OTHER)
    there, back = compare(older, newer), compare(newer, older)
    assert there.answers.decisions
    assert back.answers.decisions
    assert there.answers.models == back.answers.models[::-1]
    assert there.answers.decisions.mended == back.answers.decisions.spoilt
    turned = {(each.after, each.before): each.rows for each in back.answers.decisions.flips}
    assert {(e.before, e.after): e.rows for e in there.answers.decisions.flips} == turned
    for one, other in zip(there.answers.metrics, back.answers.metrics, strict=True):
        assert (one.before, one.after) == (other.after, other.before)
        assert np.isclose(one.gain.value, -other.gain.value, atol=1e-12)


def test_each_side_is_measured_by_its_own_threshold(versions: Versions) -> None:
    older = versions.make(DEFINITION + "[serving]\nthreshold = 0.8", EARLY)
    newer = versions.make(DEFINITION + "[serving]\nthreshold = 0.2")
    found, store = compare(older, newer).answers, open_store()
    shared = find_shared(load(store, older), load(store, newer), Path("again"), Path.cwd())
    target = shared.rows[TARGET].to_numpy()
    told = {each.metric: each for each in found.metrics}
    for side, which, threshold in ((shared.older, "before", 0.8), (shared.newer, "after", 0.2)):
        chances = side.predicted
        wanted = f1_score(target, chances >= threshold), roc_auc_score(target, chances)
        got = getattr(told["f1"], which), getattr(told["auc"], which)
        assert np.allclose(got, wanted, atol=1e-9)
    assert np.isclose(told["f1"].gain.value, told["f1"].after - told["f1"].before)
    assert found.decisions
    assert found.decisions.thresholds == (0.8, 0.2)
    flips = (shared.older.predicted >= 0.8) != (shared.newer.predicted >= 0.2)
    assert found.decisions.flipped == flips.sum() > 20
    assert sum(each.flipped or 0 for each in found.slices if each.slice == "c") == flips.sum()


def test_where_answers_cannot_be_compared_there_is_a_reason_and_no_number(
    versions: Versions,
) -> None:
    older, newer = versions.make(), versions.make(DEFINITION.replace(*KINDS["regression"]))
    found = compare(older, newer)
    assert found.answers.reason.startswith(f"{older.version}, on the holdout of {newer.version}: ")
    assert "it predicts another target, 'y'" in found.answers.reason
    assert (found.answers.rows, found.answers.metrics) == (0, ())
    assert (found.answers.decisions, found.answers.differences) == (None, None)
    assert {each.name for each in found.changes.definition} >= {"target.value", "target.kind"}


@pytest.mark.parametrize("as_of", [LATE, None])
def test_json_is_the_same_each_time_and_has_no_other_numbers(
    versions: Versions, as_of: Any
) -> None:
    text = DEFINITION if as_of else TIMELESS
    pair = versions.make(text, as_of), versions.make(text.replace("= 20", "= 30"), as_of)
    said = [json.dumps(compare(*pair).model_dump(mode="json"), allow_nan=False) for _ in range(2)]
    assert said[0] == said[1]
    assert Comparison.model_validate_json(said[0]).answers.rows > 50
