"""Real champions, published on few flights, and what they say of a candidate's holdout."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import ROWS, Project

from flows.retrain import plan_retrain
from tasks.core.columns import GROUP, ROW, TIME
from tasks.evaluation.evaluate import Scored, predict
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.extraction.task import extract
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.task import prepare
from tasks.registry.versions import Published, publish
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel, load
from tasks.training.task import refit, train
from tasks.training.train import read_model
from tasks.validation.champion_predictions import (
    ChampionPredictions,
    NotComparableError,
    keep_predictions,
    meet_champion,
    recall_predictions,
    refuse_incomparable,
)

MAY, JULY, AUGUST = (datetime(2013, month, 1, tzinfo=UTC) for month in (5, 7, 8))
DEFINITION = """
name = "flights"
sources.flights = "data/nycflights13/flights-*.parquet"
extract.time = "time_hour"
extract.key = ["time_hour", "carrier", "flight", "origin"]
target = { value = "arr_delay > 15", kind = "binary", matures_after = "1d" }
gate.rows = 50
[features]
carrier = "carrier"
hour = "hour"
distance = "distance"
[training]
threads = 2
rounds = 20
holdout = "60d"
"""
OTHER_QUERY = DEFINITION.replace(
    "extract.time", 'extract.query = "SELECT *, distance AS miles FROM flights"\nextract.time'
)
TIMELESS = re.sub("extract.time.*|, matures_after[^}]*", "", DEFINITION).replace('"60d"', "0.4")


@dataclass
class Made:
    """What the first four steps made of a definition, and what was published of it."""

    plan: Plan
    snapshot: Snapshot
    prepared: Prepared
    published: Published
    folder: Path

    @property
    def holdout(self) -> pl.DataFrame:
        return self.prepared.scan(SplitRole.HOLDOUT).collect()

    def meet(self, champion: "Made") -> ChampionPredictions:
        classes, store = self.prepared.vocabulary.classes, open_store(self.plan.root)
        return meet_champion(
            self.plan, self.snapshot, self.holdout, classes, load(store, champion.published)
        )

    def predict_own(self, file: str, numbers: pl.Series) -> list[float]:
        """Predict rows that its own run prepared; on the same data, rows have the same numbers."""
        rows = numbers.to_frame().join(
            self.prepared.scan().collect(), on=ROW, maintain_order="left"
        )
        predicted = predict(read_model((self.folder / "version" / file).read_text()), rows)
        return list(predicted.tolist())

    def held_out(self, numbers: pl.Series) -> list[bool]:
        return numbers.is_in(self.holdout[ROW].implode()).to_list()


Maker = Callable[..., Made]


@pytest.fixture
def make(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Train and publish what a definition says of few flights, as of a time."""

    def run(text: str = DEFINITION, as_of: datetime | None = AUGUST) -> Made:
        folder = tmp_path_factory.mktemp("made")
        path = project / "deployments" / f"{folder.name}.toml"
        path.write_text(text)
        plan = plan_retrain(str(path), as_of)
        snapshot = extract.fn(plan, folder)
        prepared = prepare.fn(plan, snapshot, folder)
        return Made(plan, snapshot, prepared, publish_model(plan, prepared, folder), folder)

    return run


def publish_model(plan: Plan, prepared: Prepared, folder: Path) -> Published:
    trained = train.fn(plan, prepared, folder)
    timed = plan.as_of is not None and plan.definition.training.refit
    split = prepared.split.model_dump(mode="json")
    files = {
        "definition.toml": Path(plan.origin).read_text(),
        "features.json": plan.features.model_dump_json(),
        "vocabulary.json": prepared.vocabulary.model_dump_json(),
        "lineage.json": json.dumps({"split": split, "refit": timed}),
        "twin.txt" if timed else "model.txt": trained.twin.read_text(),
    }
    if timed:
        files["model.txt"] = refit.fn(plan, prepared, trained, folder).read_text()
    (folder / "copy").mkdir()
    (folder / "version").mkdir()
    for name, content in files.items():
        (folder / "copy" / name).write_text(content)
        (folder / "version" / name).write_text(content)
    return publish(open_store(), folder / "copy", f"models/flights/{folder.name}")


def rewrite_flights(project: Path, *columns: pl.Expr) -> None:
    for file in (project / "data" / "nycflights13").glob("flights-*"):
        pl.read_parquet(file).select(*columns).write_parquet(file)


def test_a_champion_from_before_the_holdout_is_judged_as_released(make: Maker) -> None:
    numeric = DEFINITION.replace('carrier = "carrier"\n', "")
    candidate, champion = make(numeric), make(numeric, MAY)
    met = candidate.meet(champion)
    assert (met.reason, met.model) == ("", "released")
    assert met.inside.all()
    released = read_model((champion.folder / "version" / "model.txt").read_text())
    assert met.predicted.tolist() == predict(released, candidate.holdout).tolist()


def test_only_rows_after_what_the_released_model_learned_from_count(make: Maker) -> None:
    candidate, champion = make(), make(as_of=JULY)
    met = candidate.meet(champion)
    assert (met.reason, met.model) == ("", "released")
    new = candidate.holdout[TIME] > champion.prepared.split.matured
    assert met.inside.tolist() == new.to_list()
    assert 0.2 < met.inside.mean() < 0.8
    assert len(met.predicted) == met.inside.sum()


def test_the_twin_stands_in_for_a_champion_that_has_seen_it_all(make: Maker) -> None:
    candidate, champion = make(), make(DEFINITION + "seed = 7\n")
    met = candidate.meet(champion)
    assert (met.reason, met.model) == ("", "twin")
    assert met.inside.all()
    assert met.predicted.tolist() == champion.predict_own("twin.txt", candidate.holdout[ROW])


def test_a_champion_of_which_even_the_twin_has_seen_it_cannot_be_asked(make: Maker) -> None:
    assert make(as_of=MAY).meet(make()).reason.startswith("it has seen all but 0 of the")


def test_a_champion_of_other_features_predicts_by_its_own(make: Maker) -> None:
    candidate = make()
    champion = make(DEFINITION.replace('distance = "distance"', 'minute = "minute"'))
    met = candidate.meet(champion)
    assert (met.reason, met.model) == ("", "twin")
    assert met.predicted.tolist() == champion.predict_own("twin.txt", candidate.holdout[ROW])


def test_a_champion_of_another_query_reads_its_own_data_and_joins_by_the_key(make: Maker) -> None:
    candidate, alike = make(), make(OTHER_QUERY.replace('"distance"', '"miles"'))
    met = candidate.meet(alike)
    assert (met.reason, met.model) == ("", "twin")
    assert met.inside.all()
    assert met.predicted.tolist() == candidate.meet(candidate).predicted.tolist()


def test_a_key_that_is_missing_on_both_sides_still_joins(make: Maker, project: Path) -> None:
    some = pl.when(pl.col("flight") % 5 > 0).then("dest").alias("dest")
    rewrite_flights(project, pl.exclude("dest"), some)
    ours, theirs = (
        text.replace('key = ["', 'key = ["dest", "') for text in (DEFINITION, OTHER_QUERY)
    )
    assert make(ours).meet(make(theirs)).inside.all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("> 15", "> 30", "it predicts another target, 'arr_delay > 30'"),
        ('key = ["', 'key = ["tailnum", "', "no common [extract] key joins the two"),
        ("FROM flights", "FROM flights WHERE origin = 'JFK'", "its own extraction lacks"),
        ("SELECT *", "SELECT * REPLACE (CAST(flight AS TEXT) AS flight)", "key 'flight' is of"),
    ],
)
def test_a_champion_that_cannot_be_compared_says_why(
    make: Maker, old: str, new: str, said: str
) -> None:
    assert said in make().meet(make(OTHER_QUERY.replace(old, new))).reason


def test_spaces_do_not_make_another_target(make: Maker) -> None:
    assert make().meet(make(DEFINITION.replace("arr_delay > 15", "arr_delay>15"))).reason == ""


def test_a_champion_whose_data_is_gone_cannot_be_asked(make: Maker, project: Path) -> None:
    files = sorted((project / "data" / "nycflights13").glob("flights-*"))
    for file in files:
        file.with_name(f"old-{file.name}").write_bytes(file.read_bytes())
    champion = make(DEFINITION.replace("/flights-*", "/old-*"))
    for file in files:
        file.with_name(f"old-{file.name}").unlink()
    reason = make().meet(champion).reason
    assert reason.startswith("its data cannot be read: [sources] flights: no file matches")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.col("hour").cast(pl.String), r"its column 'hour' was Int\d+ and is String now"),
        (pl.col("hour").alias("clock"), "it needs column 'hour', which is gone"),
    ],
)
def test_columns_that_became_text_or_are_gone_are_named(
    make: Maker, project: Path, change: pl.Expr, said: str
) -> None:
    champion = make()
    rewrite_flights(project, pl.exclude("hour"), change)
    candidate = make(DEFINITION.replace('hour = "hour"', ""))
    assert re.fullmatch(said, candidate.meet(champion).reason)


def test_without_a_time_rows_held_out_from_the_champion_count(make: Maker) -> None:
    candidate, champion = make(TIMELESS, None), make(TIMELESS + "seed = 7\n", None)
    assert candidate.meet(candidate).inside.all()
    met, numbers = candidate.meet(champion), candidate.holdout[ROW]
    assert (met.reason, met.model) == ("", "released")
    assert met.inside.tolist() == champion.held_out(numbers)
    assert 0.3 < met.inside.mean() < 0.5
    new = numbers.filter(pl.Series(met.inside))
    assert met.predicted.tolist() == champion.predict_own("model.txt", new)


def test_without_a_key_whole_rows_tell_what_was_held_out(make: Maker) -> None:
    keyless = re.sub("extract.key.*", "", TIMELESS)
    candidate, champion = make(keyless, None), make(keyless + "seed = 7\n", None)
    met = candidate.meet(champion)
    assert met.inside.tolist() == champion.held_out(candidate.holdout[ROW])


def test_a_champion_that_was_split_by_time_cannot_judge_rows_without_one(make: Maker) -> None:
    assert "these rows carry none" in make(TIMELESS, None).meet(make()).reason


def test_a_class_that_the_champion_never_saw_gets_no_probability(make: Maker) -> None:
    value = "CASE WHEN month > 4 AND flight % 3 = 0 THEN 'NEW' ELSE origin END"
    text = re.sub(
        "target = .*", f'target = {{ value = "{value}", kind = "multiclass" }}', DEFINITION
    )
    candidate, champion = make(text), make(text, MAY)
    assert champion.prepared.vocabulary.classes == ("EWR", "JFK", "LGA")
    assert candidate.prepared.vocabulary.classes == ("EWR", "JFK", "LGA", "NEW")
    met = candidate.meet(champion)
    assert not met.predicted[:, 3].any()
    assert np.allclose(met.predicted.sum(axis=1), 1)


def test_a_champion_of_other_classes_cannot_be_asked(make: Maker) -> None:
    value = "CONCAT(CASE WHEN month > 4 THEN 'new ' ELSE '' END, origin)"
    text = re.sub(
        "target = .*", f'target = {{ value = "{value}", kind = "multiclass" }}', DEFINITION
    )
    recent = text.replace("extract.key", 'extract.window = "92d"\nextract.key')
    candidate = make(recent.replace('"60d"', "0.4"))
    assert candidate.meet(make(text, MAY)).reason == "it knows other classes"


def test_a_champion_that_was_not_fitted_again_has_one_model(make: Maker) -> None:
    champion = make(DEFINITION + "refit = false\n", MAY)
    met = make().meet(champion)
    assert (met.reason, met.model) == ("", "released")
    assert met.inside.all()


def test_a_champion_whose_features_fail_by_now_says_so(make: Maker, project: Path) -> None:
    rewrite_flights(project, pl.exclude("dest"), pl.lit("7").alias("dest"))
    number = 'minute = "CAST(dest AS INT)"'
    champion = make(DEFINITION.replace('distance = "distance"', number), MAY)
    rewrite_flights(project, pl.exclude("dest"), pl.lit("seven").alias("dest"))
    assert make().meet(champion).reason.startswith("its features fail on this data: ")


def test_a_champion_of_another_time_is_joined_by_the_key_alone(make: Maker) -> None:
    other = OTHER_QUERY.replace("AS miles", "AS miles, time_hour AS began")
    met = make().meet(make(other.replace('extract.time = "time_hour"', 'extract.time = "began"')))
    assert (met.reason, met.model) == ("", "twin")
    assert met.inside.all()


@pytest.mark.parametrize("grouped", [True, False])
def test_a_champion_counts_only_where_it_knows_no_row_of_a_group(
    make: Maker, grouped: bool
) -> None:
    text = DEFINITION.replace("threads", 'group = "flight"\nthreads')
    if not grouped:
        text = re.sub("extract.time.*|, matures_after[^}]*", "", text).replace('"60d"', "0.4")
    champion = make(text, JULY if grouped else None)
    made = make(text, AUGUST if grouped else None)
    met = made.meet(champion)
    assert met.reason == ""
    assert met.model == ("twin" if grouped else "released")
    learned = champion.prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()[GROUP]
    asked = made.holdout.filter(pl.Series(met.inside))
    assert not set(asked[GROUP]) & set(learned)
    assert len(asked) > 0.3 * len(made.holdout)


def test_champion_of_other_quantiles_cannot_be_compared(made: Project) -> None:
    made.write(ROWS)
    target = 'value = "x"\nkind = "regression"'
    mean, some = (made.plan(target=each) for each in (target, f"{target}\nquantiles = [0.1, 0.9]"))
    champion = PublishedModel.model_construct(definition=mean.definition)
    said = r"it predicts the mean, and \[target\] quantiles ask for \[0.1, 0.9\]"
    with pytest.raises(NotComparableError, match=said):
        refuse_incomparable(some, champion)
    champion = PublishedModel.model_construct(definition=some.definition)
    with pytest.raises(NotComparableError, match=r"it predicts .* ask for the mean"):
        refuse_incomparable(mean, champion)


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_what_was_predicted_is_recalled_beside_the_scored_holdout(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    scored = Scored(path=tmp_path / "scored.arrow")
    assert recall_predictions(scored) is None
    inside = np.array([True, False, True])
    kept = ChampionPredictions(
        version="v", model="twin", inside=inside, predicted=np.random.default_rng(0).random(shape)
    )
    keep_predictions(kept, scored)
    found = recall_predictions(scored)
    assert found
    assert (found.version, found.model, found.reason) == ("v", "twin", "")
    assert found.inside.tolist() == inside.tolist()
    assert found.predicted.tolist() == kept.predicted.tolist()
    keep_predictions(ChampionPredictions(version="v", reason="another's"), scored)
    again = recall_predictions(scored)
    assert again
    assert (again.reason, len(again.predicted)) == ("another's", 0)
