"""Rows that neither version has seen are those that the gate compared on, and no others."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from compared import DEFINITION, EARLY, LATE, TIMELESS, Versions, draw_rows
from lightgbm import Booster

from tasks.comparison.shared_rows import SharedRows, find_shared
from tasks.core.columns import GROUP, TARGET, TIME, WEIGHT
from tasks.registry.versions import Published
from tasks.storage.store import open_store
from tasks.training.published_model import encode_rows, load
from tasks.validation.champion_predictions import NotComparableError


def shared(older: Published, newer: Published) -> SharedRows:
    store = open_store()
    return find_shared(load(store, older), load(store, newer), Path("fetched"), Path.cwd())


def test_they_are_later_than_all_that_the_older_one_learned_from(versions: Versions) -> None:
    early = datetime(2020, 4, 20, tzinfo=UTC)
    found = shared(versions.make(as_of=early), versions.make(as_of=LATE))
    times = found.rows[TIME]
    assert (found.older.model, found.newer.model) == ("released", "twin")
    assert times.min() == early + timedelta(hours=1)
    assert times.max() == LATE
    assert found.total == 20 * 24 + 1 > len(times) == (LATE - early) / timedelta(hours=1)
    time = pl.col("t").dt.replace_time_zone("UTC")
    later = draw_rows().filter(time > early, time <= LATE)
    assert found.rows["id"].to_list() == later["id"].to_list()
    assert found.rows[TARGET].to_list() == later["y"].cast(pl.Float64).to_list()


def test_each_side_answers_by_the_model_that_has_not_seen_them(versions: Versions) -> None:
    found = shared(versions.make(), versions.make(DEFINITION.replace('x = "x"', 'x2 = "x * 2"')))
    assert (found.older.model, found.newer.model) == ("twin", "twin")
    assert len(found.rows) == found.total
    for side in (found.older, found.newer):
        model = side.version
        booster = Booster(model_str=model.read_text(twin=True))
        raw = draw_rows().filter(pl.col("id").is_in(found.rows["id"].implode()))
        wanted = booster.predict(encode_rows(model.features, model.vocabulary, raw))
        assert np.allclose(side.predicted, model.recalibrate(np.asarray(wanted)), atol=1e-12)


def test_rows_without_time_are_shared_by_the_hash_of_their_key(versions: Versions) -> None:
    before = versions.make(TIMELESS, None)
    after = versions.make(TIMELESS.replace("rounds = 20", "rounds = 30"), None)
    found = shared(before, after)
    assert len(found.rows) == found.total
    apart = versions.make(TIMELESS.replace("threads = 2", "threads = 2\nseed = 7"), None)
    both = shared(before, apart)
    assert 0.2 < len(both.rows) / both.total < 0.4
    assert set(both.rows["id"]) <= set(found.rows["id"])


def test_rows_keep_their_weight_and_group(versions: Versions) -> None:
    text = DEFINITION.replace("rounds = 20", 'rounds = 20\nweight = "k"\ngroup = "id // 5"')
    found = shared(versions.make(text), versions.make(text.replace("rounds = 20", "rounds = 30")))
    assert found.rows[WEIGHT].min() == 1  # rows of weight 0 count for nothing
    assert found.rows[GROUP].n_unique() > 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('value = "y"', 'value = "z > 2"'), "it predicts another target, 'y'"),
        (('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"'), "another target"),
        (('key = ["id"]', 'key = ["k", "id"]\nquery = "SELECT * FROM s"'), "no common"),
        (('"20d"', '"60d"'), "it has seen all but"),
    ],
)
def test_why_there_are_none_is_said(versions: Versions, change: tuple[str, str], said: str) -> None:
    older = versions.make(DEFINITION.replace('"20d"', '"3d"'))
    newer = versions.make(DEFINITION.replace(*change))
    with pytest.raises(NotComparableError, match=said):
        shared(older, newer)


def test_snapshot_that_is_gone_is_a_reason(versions: Versions) -> None:
    older, newer = versions.make(as_of=EARLY), versions.make()
    for folder in Path("../root/snapshots").iterdir():
        shutil.rmtree(folder)
    with pytest.raises(NotComparableError, match=r"its snapshot .* is gone"):
        shared(older, newer)


def test_another_query_reads_the_same_rows_by_their_key(versions: Versions) -> None:
    older = versions.make(as_of=EARLY)
    query = 'query = "SELECT *, x * 2 AS double FROM s"\ntime = "t"'
    newer = versions.make(
        DEFINITION.replace('time = "t"', query).replace('x = "x"', 'x = "double"')
    )
    found = shared(older, newer)
    assert np.allclose(found.older.rows["x"] * 2, found.newer.rows["double"])
    (Path("s.parquet")).unlink()
    with pytest.raises(NotComparableError, match="its data cannot be read"):
        shared(older, newer)


def test_classes_that_are_gone_from_the_snapshot_are_a_reason(versions: Versions) -> None:
    text = DEFINITION.replace('value = "y"\nkind = "binary"', 'value = "band"\nkind = "multiclass"')
    older, store = load(open_store(), versions.make(text, EARLY)), open_store()
    newer = load(store, versions.make(text))
    more = newer.vocabulary.model_copy(update={"classes": ("gone", *newer.vocabulary.classes)})
    newer = newer.model_copy(update={"vocabulary": more})
    with pytest.raises(NotComparableError, match="with them a whole class"):
        find_shared(older, newer, Path("fetched"), Path.cwd())
