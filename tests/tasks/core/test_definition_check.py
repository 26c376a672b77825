"""Keys that name something: a slip is refused before any work, with the nearest right name."""

from datetime import UTC, datetime

import polars as pl
import pytest
from tables import ROWS, Project, define, write_file

from flows.retrain import plan_retrain
from tasks.core.definition import parse_definition
from tasks.core.definition_check import check_keys
from tasks.core.errors import DefinitionError

TABLE = """source = "s"
entity = ["k"]
time = "t"
over = "2d"
known_after = "1h"
values = { mean_x = "AVG(x)" }
"""
SLIPS = [
    ("sources", 's = { uri = "s.parquet", types = { idd = "text" } }', "types", "'id'"),
    ("extract", 'tiem = "t"', "tiem", "'time'"),
    ("extract", 'time = "tt"', "[extract] time", "'t'"),
    ("extract", 'key = ["idd"]', "[extract] key", "'id'"),
    ("extract", 'query = "SELECT idd FROM s"', "[extract] query", "'id'"),
    ("extract", 'query = "SELECT * FROM ss"', "[extract] query", "'s'"),
    ("extract", 'time = "t"\ntime_zone = "Europe/Berlni"', "time_zone", "'Europe/Berlin'"),
    ("tables.past", TABLE.replace('"s"', '"ss"'), "[tables.past] source", "'s'"),
    ("tables.past", TABLE.replace('"k"', '"kk"'), "[tables.past] entity", "'k'"),
    ("tables.past", TABLE.replace('"t"', '"tt"'), "[tables.past] time", "'t'"),
    ("tables.past", TABLE.replace("(x)", "(xx)"), "[tables.past] values.mean_x", "'x'"),
    ("target", 'value = "yy"\nkind = "binary"', "[target] value", "'y'"),
    ("target", 'value = "y"\nkind = "binray"', "[target] kind", "'binary'"),
    ("features", 'x = "xx"', "[features] x", "'x'"),
    ("checks.columns", "xx = { infinite = 0.1 }", "[checks.columns] xx", "'x'"),
    ("checks.columns", "men_x = { nulls = 0 }", "[checks.columns] men_x", "'mean_x'"),
    ("training", 'group = "kk"', "[training] group", "'k'"),
    ("training", "params = { num_leavs = 9 }", "[training.params] num_leavs", "'num_leaves'"),
    ("gate", 'metric = "logloss"', "[gate] metric", "log_loss"),
    ("gate", 'second_metric = "rmse"', "[gate] second_metric", "log_loss"),
    ("gate", 'slices = ["cc"]', "[gate] slices", "'c'"),
    ("gate", 'slices = ["c", "x > kk"]', "[gate] slices", "'k'"),
    ("serving", 'log_without = ["idd"]', "[serving] log_without", "'id'"),
    ("serving", 'log_without = ["id", "men_x"]', "[serving] log_without", "'mean_x'"),
]
IDLE = [
    ("checks.columns", "x = { outside = 0.1 }", "[checks.columns] x: outside", "min or max"),
    ("checks.columns", "x = { unseen = 0.1 }", "[checks.columns] x: unseen", "values"),
    ("checks.columns", "c = { infinite = 0.1 }", "[checks.columns] c: infinite", "for numbers"),
    ("checks", 'max_silence = "9d"', "[checks] max_silence", "[extract] time"),
    ("checks", "allow_future = true", "[checks] allow_future", "[extract] time"),
    ("checks", "duplicates = 0.1", "[checks] duplicates", "[extract] key"),
    ("gate", 'metric = "auc"\nsecond_metric = "auc"', "[gate] second_metric", "another"),
    (
        "gate",
        "at_least_by_slice = { auc = 0.6 }\nslices = []",
        "[gate] at_least_by_slice",
        "slices",
    ),
    ("gate", "at_least = { auc = 0 }", "[gate.at_least] auc", "ask for more"),
    ("gate", "at_most = { brier = 1 }", "[gate.at_most] brier", "ask for less"),
    ("gate", 'slices = ["c", "k", "c"]', "[gate] slices", "'c' stands there twice"),
    ("gate", 'fairness = { by = ["c", "c"], at_most = 0.1 }', "[gate.fairness] by", "twice"),
    (
        "training",
        'interactions = [["x", "x"]]',
        "[training] interactions",
        "'x' stands there twice",
    ),
    (
        "training",
        'engine = "dask"\ninteractions = [["x", "k"]]',
        "[training] interactions",
        "engine = 'local'",
    ),
    (
        "training",
        "engine = \"dask\"\nparams = { interaction_constraints = '[0,1]' }",
        "[training.params] interaction_constraints",
        "engine = 'local'",
    ),
]
OF_NUMBERS = [
    ("serving", "threshold = 0.5", "[serving] threshold", "a binary target"),
    ("training", 'calibrate = "never"', "[training] calibrate", "probabilities"),
    ("training", "params = { tweedie_variance_power = 1.3 }", "[training.params]", "'tweedie'"),
    (
        "training",
        'params = { objective = "tweedie", tweedie_variance_power = 1.0 }',
        "[training.params] tweedie_variance_power",
        "objective = 'poisson'",
    ),
    ("gate", 'naive = { last = "k * 2" }', "[gate] naive 'last'", "reads 'k'"),
]
FOLDED = {"training": "folds = 2"}
WORST = [
    ("worst_fold = 1.5", "auc is never above 1, and 1.5 is asked for"),
    ("worst_fold = 0.0", "auc is never below 0, so that any model keeps to 0"),
    ('metric = "log_loss"\nworst_fold = -1.0', "log_loss is never below 0, and -1 is asked for"),
]


@pytest.mark.parametrize(("section", "text", "key", "meant"), SLIPS)
def test_slip_in_a_name_is_refused_before_any_work(
    made: Project, section: str, text: str, key: str, meant: str
) -> None:
    write_file(ROWS, made.folder / "s.parquet")
    given = {"tables.past": TABLE, section: text}
    (made.folder / "made.toml").write_text(define(**given))
    with pytest.raises(DefinitionError) as refusal:
        plan_retrain("made.toml", datetime(2020, 2, 1, tzinfo=UTC))
    said = str(refusal.value)
    assert said.startswith("made.toml: ") or section == "sources"
    assert key in said
    assert meant in said
    assert "\n" not in said
    assert refusal.value.exit_code == 2
    assert not (made.folder / "root").exists()


@pytest.mark.parametrize(("section", "text", "key", "needed"), IDLE)
def test_key_that_would_do_nothing_is_refused(
    section: str, text: str, key: str, needed: str
) -> None:
    plain = {} if section == "checks.columns" else {"extract": ""}
    definition = parse_definition(define(**plain, **{section: text}), "made.toml")
    with pytest.raises(DefinitionError) as refusal:
        check_keys(definition, ROWS.schema)
    assert str(refusal.value).startswith(key)
    assert needed in str(refusal.value)


@pytest.mark.parametrize(("section", "text", "key", "needed"), OF_NUMBERS)
def test_key_that_would_do_nothing_for_a_number_is_refused(
    section: str, text: str, key: str, needed: str
) -> None:
    sections = {"target": 'value = "k"\nkind = "regression"', section: text}
    definition = parse_definition(define(**sections), "made.toml")
    with pytest.raises(DefinitionError, match=needed) as refusal:
        check_keys(definition, ROWS.schema)
    assert str(refusal.value).startswith(key)


@pytest.mark.parametrize(("text", "said"), WORST)
def test_a_worst_fold_that_every_or_no_model_has_is_refused(text: str, said: str) -> None:
    definition = parse_definition(define(gate=text, **FOLDED), "made.toml")
    with pytest.raises(DefinitionError, match=rf"^\[gate\] worst_fold: {said}"):
        check_keys(definition, ROWS.schema)


def test_rules_for_columns_that_feed_no_feature_and_for_looked_up_values_are_taken() -> None:
    text = define(
        **{
            "checks": "duplicates = 0.1\nallow_future = false\nmax_silence = '9d'",
            "checks.columns": "id = { infinite = 0.1 }\nmean_x = { min = 0, outside = 0.1 }",
            "serving": 'log_without = ["id"]',
        }
    )
    check_keys(parse_definition(text, "made.toml"), ROWS.schema | {"mean_x": pl.Float64()})


@pytest.mark.parametrize("sql", ["x", "y", "SUM(k)", "k = 1"])
def test_a_group_that_names_none_is_refused(made: Project, sql: str) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match=r"^made.toml: \[training\] group: "):
        made.plan(training=f'group = "{sql}"')
