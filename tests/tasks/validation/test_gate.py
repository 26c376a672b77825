"""The gate on every flight of May, with real models, and made worse in ways that it must catch."""

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.retrain import plan_retrain
from tasks.core.checks import Check, failed
from tasks.core.columns import ROLE, ROW, TARGET, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.core.model_sections import METRICS
from tasks.evaluation.metrics import Array
from tasks.evaluation.slices import SLICE
from tasks.extraction.task import extract
from tasks.preparation.split import SplitRole
from tasks.preparation.task import prepare
from tasks.training.datasets import category_places
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import Verdict, judge

REPOSITORY = Path(__file__).parents[3]
DEFINITION = """
name = "flights"
sources.flights = "flights.parquet"
target = {{ value = "late", kind = "{kind}" }}
training.threads = 2
gate = {{ {gate} }}
"""


@dataclass
class Flights:
    """Flights until May, numbered as the flow does it, and models that learned before May."""

    rows: pl.DataFrame
    places: list[int]

    def __post_init__(self) -> None:
        self.held = (self.rows[ROLE] == SplitRole.HOLDOUT).to_numpy()
        self.known = (self.rows[ROLE] <= SplitRole.STOP).to_numpy()
        self.holdout = self.rows.filter(pl.Series(self.held))
        self.late = self.holdout[TARGET].to_numpy()

    def learn(
        self,
        seed: int = 1,
        rounds: int = 40,
        known: Array | None = None,
        label: Array | None = None,
        without: tuple[str, ...] = (),
    ) -> Array:
        """Predict the flights of May by a model of all flights before, or of those given."""
        import lightgbm

        known = self.known if known is None else known
        label = self.rows[TARGET].to_numpy() if label is None else label
        emptied = [pl.lit(0.0).alias(name) for name in without]
        features = self.rows.drop(ROW, TIME, TARGET, ROLE).with_columns(emptied)
        params = {
            "objective": "binary", "seed": seed, "num_threads": 2, "verbosity": -1,
            "num_leaves": 31, "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1,
            "deterministic": True, "force_row_wise": True,
        }  # fmt: skip
        frame = features.filter(pl.Series(known)).to_numpy()
        data = lightgbm.Dataset(frame, label[known], categorical_feature=self.places)
        model = lightgbm.train(params, data, rounds)
        return np.asarray(model.predict(features.filter(pl.Series(self.held)).to_numpy()))

    def score(self, predicted: Array) -> pl.DataFrame:
        """Score May as evaluation does, beside guesses and a model that knows the hour only."""
        hour = self.holdout["dep_minute"].cast(pl.Float64).to_numpy() / 1440
        return self.holdout.select(
            ROW,
            TIME,
            TARGET,
            pl.col("carrier").cast(pl.String).alias(SLICE + "carrier"),
            pl.col("origin").cast(pl.String).alias(SLICE + "origin"),
        ).with_columns(
            predicted=predicted,
            baseline=pl.Series(np.full(len(hour), self.rows[TARGET].mean())),
            simple=pl.Series(hour / 2),
        )


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    folder = tmp_path_factory.mktemp("may")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        as_of = datetime(2013, 6, 1, tzinfo=UTC)
        plan = plan_retrain(str(REPOSITORY / "deployments" / "flight_delay.toml"), as_of)
        prepared = prepare.fn(plan, extract.fn(plan, folder), folder)
    return Flights(prepared.scan().collect(), category_places(plan.features))


@pytest.fixture(scope="module")
def champion(flights: Flights) -> Array:
    return flights.learn(seed=1)


def definition_of(kind: str = "binary", gate: str = "") -> Definition:
    return parse_definition(DEFINITION.format(kind=kind, gate=gate), "x.toml")


def judge_against(
    scored: pl.DataFrame, champion: Array, definition: Definition | None = None
) -> Verdict:
    everything = np.ones(len(scored), dtype=bool)
    opponent = ChampionPredictions(version="champion", inside=everything, predicted=champion)
    return judge(definition or definition_of(), scored, opponent)


def failing(verdict: Verdict) -> set[str]:
    return {check.name for check in failed(verdict.checks)}


def check_of(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def shift(predicted: Array, by: float | Array, sharpen: float = 1.0) -> Array:
    """Move predictions on the scale of log odds, and stretch them: the order of rows stays."""
    odds = np.log(predicted / (1 - predicted))
    return np.asarray(1 / (1 + np.exp(-(sharpen * odds + by))))


def test_a_champion_passes_its_own_gate(flights: Flights, champion: Array) -> None:
    verdict = judge_against(flights.score(champion), champion)
    assert verdict.passed
    assert [check.name for check in verdict.checks] == [
        "holdout_rows", "beats_baseline", "beats_baseline_on_loss", "beats_simple_model",
        "calibrated",
        "not_worse_than_champion", "second_metric", "calibration", "slices", "plausible",
    ]  # fmt: skip


def test_the_same_recipe_with_another_seed_passes(flights: Flights, champion: Array) -> None:
    for seed in (2, 3):
        assert judge_against(flights.score(flights.learn(seed)), champion).passed


def test_noise_too_small_to_matter_passes(flights: Flights, champion: Array) -> None:
    noise = np.random.default_rng(1).normal(scale=0.02, size=len(champion))
    assert judge_against(flights.score(shift(champion, noise)), champion).passed


def test_a_candidate_that_lost_its_best_features_is_refused(
    flights: Flights, champion: Array
) -> None:
    worse = flights.learn(without=("dep_minute", "arr_minute", "carrier", "origin"))
    assert "not_worse_than_champion" in failing(judge_against(flights.score(worse), champion))


def test_a_candidate_that_learned_from_wrong_labels_is_refused(
    flights: Flights, champion: Array
) -> None:
    random, label = np.random.default_rng(1), flights.rows[TARGET].to_numpy()
    wrong = np.where(random.random(len(label)) < 0.6, random.permutation(label), label)
    assert not judge_against(flights.score(flights.learn(label=wrong)), champion).passed


def test_better_order_does_not_make_up_for_worse_probabilities(
    flights: Flights, champion: Array
) -> None:
    hourless = flights.learn(without=("dep_minute", "arr_minute"))
    verdict = judge_against(flights.score(shift(champion, 0.0, sharpen=4.0)), hourless)
    assert float(str(check_of(verdict, "not_worse_than_champion").numbers["low"])) > 0
    assert "second_metric" in failing(verdict)


def test_may_is_refused_although_its_auc_rises(flights: Flights) -> None:
    """With the month as a feature, April's many delays are taken for May's."""
    seasonal = Flights(flights.rows.with_columns(month=pl.col(TIME).dt.month()), flights.places)
    winter = (seasonal.rows[TIME] < datetime(2013, 4, 1, tzinfo=UTC)).to_numpy()
    retrained, frozen = seasonal.learn(rounds=100), seasonal.learn(rounds=100, known=winter)
    verdict = judge_against(
        seasonal.score(retrained), frozen, definition_of(gate="confidence = 0.9")
    )
    assert verdict.champion is not None
    ours, theirs = verdict.champion.candidate, verdict.champion.metrics
    assert ours["auc"] > theirs["auc"]
    assert ours["log_loss"] > theirs["log_loss"]
    assert "calibration" in failing(verdict)


def test_predictions_that_are_too_high_are_refused(flights: Flights, champion: Array) -> None:
    verdict = judge_against(flights.score(shift(champion, 0.5)), champion)
    assert check_of(verdict, "not_worse_than_champion").passed
    assert "calibration" in failing(verdict)


def test_a_rare_event_that_is_never_expected_is_refused() -> None:
    """A calibration error cannot exceed the rate of events: its margin shrinks with them."""
    random = np.random.default_rng(1)
    chance = shift(np.full(40_000, 0.004), random.normal(size=40_000))
    times = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(40_000)]
    scored = pl.DataFrame(
        {TIME: times, TARGET: (random.random(40_000) < chance) * 1.0}
    ).with_columns(predicted=pl.Series(chance / 50), baseline=0.004, simple=0.004)
    assert "calibration" in failing(judge_against(scored, chance))


def test_a_candidate_that_wrongs_one_airline_is_refused_by_its_name(
    flights: Flights, champion: Array
) -> None:
    scored = flights.score(champion)
    sizes = scored[SLICE + "carrier"].value_counts().filter(pl.col("count") >= 200)
    airline = sizes.sort("count")[SLICE + "carrier"][0]
    wronged = (scored[SLICE + "carrier"] == airline).to_numpy()
    verdict = judge_against(flights.score(shift(champion, np.where(wronged, 2.0, 0.0))), champion)
    assert failing(verdict) == {"slices"}
    assert f"carrier = {airline}" in check_of(verdict, "slices").detail


def test_of_many_slices_some_look_worse_by_chance_and_are_not_refused(
    flights: Flights, champion: Array
) -> None:
    random, scored = np.random.default_rng(1), flights.score(flights.learn(2))
    many = [
        pl.Series(f"{SLICE}{n}", random.integers(0, 50, len(scored))).cast(pl.String)
        for n in range(8)
    ]
    check = check_of(judge_against(scored.with_columns(many), champion), "slices")
    assert check.passed, check.detail
    assert int(str(check.numbers["slices"])) > 350
    assert float(str(check.numbers["by"])) < 0


@pytest.mark.parametrize("rival", ["baseline", "simple"])
def test_no_better_than_a_rival_is_refused(flights: Flights, champion: Array, rival: str) -> None:
    noise = np.random.default_rng(1).normal(scale=0.01, size=len(champion))
    scored = flights.score(champion).with_columns(pl.Series(rival, shift(champion, noise)))
    verdict = judge(definition_of(), scored, None)
    assert failing(verdict)
    assert all(rival in name for name in failing(verdict))


ODDS = np.random.default_rng(1).normal(-3.5, 1.5, 10_000)
CHANCE = np.asarray(1 / (1 + np.exp(-ODDS)))  # of a rare event, as a model well knows it


def rare(kind: str, weighed: bool) -> pl.DataFrame:
    """Score a rare event of 100 days, by its chance or with weights that make it count for more."""
    random = np.random.default_rng(2)
    target = (random.random(len(CHANCE)) < CHANCE) * 1.0
    told = shift(CHANCE, 2.7 * weighed)
    rates: tuple[Array | float, ...] = (told, target.mean(), target.mean())
    if kind == "multiclass":
        rates = tuple(three_classes(np.broadcast_to(each, len(told))) for each in rates)
        target = target * (1 + (random.random(len(told)) < 0.4))
    if kind == "regression":
        target = target + random.normal(scale=0.1, size=len(target))
    start = datetime(2013, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {TIME: [start + timedelta(minutes=14 * n) for n in range(len(told))], TARGET: target}
    ).with_columns(
        pl.Series(name, np.broadcast_to(rate, told.shape) if kind != "multiclass" else rate)
        for name, rate in zip(("predicted", "baseline", "simple"), rates, strict=True)
    )


@pytest.mark.parametrize("champion", [False, True], ids=["first", "beside a champion"])
@pytest.mark.parametrize(
    ("kind", "check", "loss"),
    [
        ("binary", "beats_baseline_on_loss", "log_loss"),
        ("multiclass", "beats_baseline", "log_loss"),
        ("regression", "beats_baseline", "rmse"),
    ],
)
def test_good_order_with_worse_probabilities_than_a_guess_is_refused(
    kind: str, check: str, loss: str, champion: bool
) -> None:
    for weighed in (False, True):
        scored = rare(kind, weighed)
        opponent = ChampionPredictions(
            version="champion",
            inside=np.ones(len(scored), dtype=bool),
            predicted=np.stack(scored["predicted"].to_numpy()),
        )
        verdict = judge(definition_of(kind), scored, opponent if champion else None)
        found = check_of(verdict, check)
        if not weighed:
            assert found.passed
            assert check_of(verdict, "calibrated").passed
            continue
        assert not verdict.passed
        assert not found.passed
        assert re.match(rf"{loss} \d\.\d{{4}} against \d\.\d{{4}}: worse by ", found.detail)
        assert ("leave class weights alone" in found.detail) == (kind != "regression")
        assert ("recalibrate" in found.detail) == (kind != "regression")
        assert kind == "multiclass" or not check_of(verdict, "calibrated").passed


def test_refusal_names_the_weights_that_were_set() -> None:
    for text in ("is_unbalance = true", "unbalance = true", "scale_pos_weight = 14"):
        (given,) = tomllib.loads(text)
        training = definition_of().training.model_copy(update={"params": tomllib.loads(text)})
        definition = definition_of().model_copy(update={"training": training})
        for check in failed(judge(definition, rare("binary", weighed=True), None).checks):
            assert f"leave class weights alone ({given} in [training.params]" in check.detail


def test_calibration_error_is_allowed_as_far_as_the_gate_says() -> None:
    scored = rare("binary", weighed=True)
    error = float(
        str(check_of(judge(definition_of(), scored, None), "calibrated").numbers["error"])
    )
    assert error > 0.15
    for gate, passed in (("", False), (f"calibration_at_most = {error}", True)):
        found = check_of(judge(definition_of(gate=gate), scored, None), "calibrated")
        assert found.passed == passed
        assert "[gate] calibration_at_most" in found.detail


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_small_holdout_is_not_refused_for_what_its_bins_miss_by_chance(kind: str) -> None:
    refused = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        chance = shift(np.full(100, 0.4), random.normal(size=100))
        target = (random.random(100) < chance) * 1.0
        times = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(100)]
        scored = pl.DataFrame(
            {TIME: times, TARGET: target, "predicted": chance, "baseline": 0.4, "simple": 0.4}
        )
        refused += not check_of(judge(definition_of(kind), scored, None), "calibrated").passed
    assert refused <= 2


def test_guessing_is_refused_by_everything_that_can_tell(flights: Flights, champion: Array) -> None:
    guesses = np.random.default_rng(1).permutation(champion)
    assert failing(judge_against(flights.score(guesses), champion)) >= {
        "beats_baseline",
        "beats_simple_model",
        "not_worse_than_champion",
        "second_metric",
        "slices",
    }


def test_a_candidate_that_is_too_good_to_be_true_is_refused(
    flights: Flights, champion: Array
) -> None:
    answers = 0.1 + 0.8 * flights.holdout[TARGET].to_numpy()
    assert failing(judge_against(flights.score(answers), champion)) == {"plausible"}


def test_too_few_rows_are_refused(flights: Flights, champion: Array) -> None:
    few = flights.score(champion).gather_every(100)
    assert "holdout_rows" in failing(judge(definition_of(gate="rows = 100"), few.head(99), None))
    assert "holdout_rows" not in failing(
        judge(definition_of(gate="rows = 100"), few.head(100), None)
    )
    assert "holdout_rows" in failing(judge(definition_of(), few.head(50), None))


def test_too_few_rows_of_the_rarer_class_are_refused(flights: Flights, champion: Array) -> None:
    scored = flights.score(champion)
    late = scored.filter(pl.col(TARGET) == 1)
    lucky = pl.concat([scored.filter(pl.col(TARGET) == 0), late.head(9)])
    check = check_of(judge(definition_of(gate="rows = 100"), lucky, None), "holdout_rows")
    assert not check.passed
    assert check.detail.endswith("; 9 of the rarer class, at least 10")


def test_only_rows_that_the_champion_never_saw_count(flights: Flights, champion: Array) -> None:
    scored = flights.score(champion)
    inside = (scored[TIME] >= datetime(2013, 5, 16, tzinfo=UTC)).to_numpy()
    perfect_where_seen = np.where(inside, champion, flights.late)
    opponent = ChampionPredictions(version="c", inside=inside, predicted=perfect_where_seen[inside])
    verdict = judge(definition_of(), scored, opponent)
    assert verdict.passed
    assert verdict.champion is not None
    assert verdict.champion.rows == inside.sum()


def test_a_champion_that_cannot_be_compared_stops_the_candidate(
    flights: Flights, champion: Array
) -> None:
    stranger = ChampionPredictions(version="v7", reason="it predicts another target")
    verdict = judge(definition_of(), flights.score(champion), stranger)
    assert failing(verdict) == {"champion_is_comparable"}
    assert "champion v7 cannot be compared: it predicts" in verdict.checks[-1].detail


def test_a_perfect_champion_is_not_beaten_by_a_good_candidate(
    flights: Flights, champion: Array
) -> None:
    verdict = judge_against(flights.score(champion), flights.late)
    assert failing(verdict) >= {"not_worse_than_champion", "second_metric", "slices"}


@pytest.mark.parametrize("metric", METRICS["binary"])
def test_any_metric_of_the_kind_can_be_the_first(
    flights: Flights, champion: Array, metric: str
) -> None:
    definition = definition_of(gate=f'metric = "{metric}"')
    rivals = flights.score(champion).with_columns(simple=pl.col("baseline"))
    guesses = np.random.default_rng(1).permutation(champion)
    assert check_of(judge_against(rivals, champion, definition), "not_worse_than_champion").passed
    worse = judge_against(rivals.with_columns(predicted=guesses), champion, definition)
    assert "not_worse_than_champion" in failing(worse)


def test_regression_is_judged_whole(flights: Flights, champion: Array) -> None:
    hundred = flights.score(champion * 100).with_columns(
        pl.col(TARGET, "baseline", "simple") * 100.0
    )
    definition = definition_of("regression")
    assert judge_against(hundred, champion * 100, definition).passed
    too_high = hundred.with_columns(pl.col("predicted") + 20)
    refused = failing(judge_against(too_high, champion * 100, definition))
    assert refused >= {"not_worse_than_champion", "second_metric", "calibration", "slices"}


def three_classes(probability: Array) -> Array:
    return np.column_stack([1 - probability, probability * 0.6, probability * 0.4])


def test_several_classes_are_judged_whole(flights: Flights, champion: Array) -> None:
    random = np.random.default_rng(1)
    target = flights.late * (1 + (random.random(len(champion)) < 0.4))
    rivals = {
        name: pl.Series(name, three_classes(np.full(len(champion), share)))
        for name, share in (("baseline", 0.2), ("simple", 0.25))
    }
    scored = flights.score(champion).with_columns(
        pl.Series(TARGET, target), pl.Series("predicted", three_classes(champion)), **rivals
    )
    definition = definition_of("multiclass")
    assert judge_against(scored, three_classes(champion), definition).passed
    guesses = pl.Series("predicted", random.permutation(three_classes(champion)))
    refused = failing(
        judge_against(scored.with_columns(guesses), three_classes(champion), definition)
    )
    assert refused >= {"beats_baseline", "not_worse_than_champion", "slices"}


@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize("rows", [20, 300, 3_000])
def test_numbers_are_plain_and_fit_json(
    flights: Flights, champion: Array, kind: str, rows: int
) -> None:
    scored = flights.score(shift(champion, 0.3))[:rows]
    verdict = judge_against(scored, champion[:rows], definition_of(kind, "slice_rows = 20"))
    for check in verdict.checks:
        json.dumps(check.model_dump(), allow_nan=False)
        assert {type(number) for number in check.numbers.values()} <= {int, float, str}


def test_a_champion_answers_by_the_threshold_that_was_chosen_for_it(
    flights: Flights, champion: Array
) -> None:
    scored = flights.score(champion)
    higher = shift(champion, 2.0)  # the same answers, by another threshold
    definition = definition_of(gate='metric = "f1"')
    own = float(shift(np.array([definition.threshold]), 2.0)[0])
    opponent = ChampionPredictions(
        version="c", inside=np.ones(len(scored), bool), predicted=higher, threshold=own
    )
    verdict = judge(definition, scored, opponent)
    check, told = check_of(verdict, "not_worse_than_champion"), verdict.champion
    assert (check.numbers["value"], check.numbers["low"]) == (0, 0)
    assert told is not None
    assert told.metrics["f1"] == told.candidate["f1"]
