"""Rows that are answered differently, and contributions that add up to all that moved."""

import json
from pathlib import Path

import numpy as np
import pytest
from compared import DEFINITION, EARLY, HOSTILE, Versions
from scipy.special import logit

from tasks.comparison.compare import measure_answers
from tasks.comparison.moved_rows import MovedRow, describe_rows, name_scale, pick_rows
from tasks.comparison.shared_rows import SharedRows, find_shared
from tasks.core.columns import TARGET
from tasks.storage.store import open_store
from tasks.training.published_model import load

OTHER = DEFINITION.replace('c = "c"', 'x_k = "x * k"').replace("num_leaves = 7", "num_leaves = 15")
CLASSES = ('value = "y"\nkind = "binary"', 'value = "band"\nkind = "multiclass"')
NUMBERS = ('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"')


def share(versions: Versions, before: str, after: str) -> SharedRows:
    store = open_store()
    older, newer = versions.make(before, EARLY), versions.make(after)
    return find_shared(load(store, older), load(store, newer), Path("fetched"), Path.cwd())


def all_moves(row: MovedRow) -> float:
    moved = sum((each.after or 0) - (each.before or 0) for each in row.moved)
    return moved + (row.rest or 0)


def test_rows_are_picked_over_the_whole_range() -> None:
    moved = np.linspace(-1, 1, 1000)
    picked = pick_rows(moved, np.ones(1000, dtype=bool))
    assert picked.tolist() == [50 + 100 * nth for nth in range(10)]
    assert pick_rows(moved, moved > 0.997).tolist() == [998, 999]
    assert pick_rows(moved, moved > 2).tolist() == []


def test_contributions_add_up_to_what_the_log_odds_moved_by(versions: Versions) -> None:
    plain = "threads = 2", 'threads = 2\ncalibrate = "never"'
    shared = share(versions, DEFINITION.replace(*plain), OTHER.replace(*plain))
    places = np.arange(0, len(shared.rows), 50)
    assert name_scale(shared.older, shared.newer) == ("log-odds", "")
    rows = describe_rows(shared, shared.older, shared.newer, places, True)
    for row, place in zip(rows, places, strict=True):
        assert row.before == shared.older.predicted[place]
        assert row.after == shared.newer.predicted[place]
        assert np.isclose(all_moves(row), logit(row.after) - logit(row.before), atol=1e-9)
        assert row.key == {"id": shared.rows["id"][int(place)]}
        assert row.target == ("yes" if shared.rows[TARGET][int(place)] else "no")
        for each in row.moved:
            assert (each.before is None) == (each.feature == "x_k")
            assert (each.after is None) == (each.feature == "c")
            if each.feature == "c":
                assert each.value_before in ("north", "south", "east", "west")
    assert len({each.feature for row in rows for each in row.moved}) > 2


def test_of_classes_the_one_that_is_said_now_is_explained(versions: Versions) -> None:
    shared = share(versions, DEFINITION.replace(*CLASSES), OTHER.replace(*CLASSES))
    found = measure_answers(shared, shared.older, shared.newer)
    assert found.decisions
    assert len(found.examples) == 10
    classes = shared.newer.version.vocabulary.classes
    for row in found.examples:
        assert row.said_before != row.said_after
        assert {row.said_before, row.said_after, row.target} <= {*classes}
        assert row.after == shared.newer.predicted[
            shared.rows["id"].to_list().index(row.key["id"])
        ].max()  # fmt: skip
        assert row.moved


def test_a_class_that_one_side_lacks_has_no_contributions(versions: Versions) -> None:
    text = DEFINITION.replace(*CLASSES)
    shared = share(versions, text, text)
    vocabulary = shared.older.version.vocabulary.model_copy(
        update={"classes": ("high", "low", "x")}
    )
    version = shared.older.version.model_copy(update={"vocabulary": vocabulary})
    older = shared.older.model_copy(update={"version": version})
    rows = describe_rows(shared, older, shared.newer, np.arange(100), True)
    assert {row.moved == () for row in rows if row.said_after == "middle"} == {True}
    assert {row.rest is None for row in rows if row.said_after == "low"} == {False}


def test_values_of_a_regression_are_explained_in_its_unit(versions: Versions) -> None:
    shared = share(versions, DEFINITION.replace(*NUMBERS), OTHER.replace(*NUMBERS))
    found = measure_answers(shared, shared.older, shared.newer)
    assert found.scale == "the target's unit"
    for row in found.examples:
        assert np.isclose(all_moves(row), row.after - row.before, atol=1e-9)
    steps = [row.after - row.before for row in found.examples]
    assert steps == sorted(steps)


def test_of_quantiles_the_middle_one_moves_and_is_explained(versions: Versions) -> None:
    levels = (NUMBERS[0], f"{NUMBERS[1]}\nquantiles = [0.1, 0.5, 0.9]")
    shared = share(versions, DEFINITION.replace(*levels), OTHER.replace(*levels))
    found = measure_answers(shared, shared.older, shared.newer)
    middle = set(shared.older.predicted[:, 1].tolist())
    assert {row.before for row in found.examples} <= middle
    close = [np.isclose(all_moves(row), row.after - row.before) for row in found.examples]
    assert np.mean(close) > 0.5  # where forests cross, the value in the middle is another's


def test_units_that_differ_and_models_without_contributions_are_told(versions: Versions) -> None:
    text = DEFINITION.replace(NUMBERS[0], 'value = "z * z"\nkind = "regression"')
    counted = text.replace("num_leaves = 7", 'objective = "tweedie", num_leaves = 7')
    shared = share(versions, text, counted)
    found = measure_answers(shared, shared.older, shared.newer)
    assert "different units: the target's logarithm and the target's unit" in found.unexplained
    assert {row.moved for row in found.examples} == {()}
    forest = 'boosting = "rf", bagging_freq = 1, bagging_fraction = 0.5, num_leaves = 7'
    shared = share(versions, text, text.replace("num_leaves = 7", forest))
    found = measure_answers(shared, shared.older, shared.newer)
    assert "cannot be explained" in found.unexplained


@pytest.mark.parametrize("key", ['key = ["id"]', 'key = ["t", "id"]', ""])
def test_rows_are_named_by_their_key_and_are_json(versions: Versions, key: str) -> None:
    text = DEFINITION.replace('key = ["id"]', key)
    wild = json.dumps(HOSTILE, ensure_ascii=False).replace("\u202e", "\\u202e")
    shared = share(versions, text, text.replace('c = "c"', f'{wild} = "x / (k - k)"\nc = "c"'))
    found = measure_answers(shared, shared.older, shared.newer)
    said = json.loads(json.dumps(found.model_dump(mode="json"), allow_nan=False))
    names = {"row"} if not key else {"id", "t"} if "t" in key else {"id"}
    assert {*said["examples"][0]["key"]} == names
