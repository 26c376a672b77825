"""The definition file: what is taken, and what is refused with its key and the nearest name."""

from datetime import timedelta

import pytest
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError

UNKNOWN = [
    ("targte", "", r"\[targte\]: unknown key; did you mean 'target'"),
    (
        "sources",
        's = { uri = "s.csv", seperator = ";" }',
        r"\[sources.s\] seperator: .*'separator'",
    ),
    ("extract", 'tiem = "t"', r"\[extract\] tiem: unknown key; did you mean 'time'"),
    ("training", "max_depth = 5", r"\[training\] max_depth: unknown key; .* own: params = { max_d"),
    ("checks", "row = 5", r"\[checks\] row: unknown key; did you mean 'rows'"),
    ("checks.columns.x", "null = 0", r"\[checks.columns.x\] null: .*'nulls'"),
    ("features.z", "python = 'a:b'\ncolumn = ['c']", r"\[features.z\] column: .*'columns'"),
    ("training", "round = 5", r"\[training\] round: .*'rounds'"),
    ("gate", "Metric = 'auc'", r"\[gate\] Metric: .*'metric'"),
    ("approval", "mod = 'auto'", r"\[approval\] mod: .*'mode'"),
    ("serving", "treshold = 0.5", r"\[serving\] treshold: .*'threshold'"),
]
WRONG = [
    ("serving", "interval = 1.5", r"\[serving\] interval: .*less than or equal to 0.99"),
    (
        "serving",
        "interval = 0.9",
        r"\[serving\] interval = 0.9: is for a regression; a binary target",
    ),
    ("gate", "coverage_margin = 0.1", r"coverage_margin does nothing without \[serving\] interval"),
    ("training", 'rounds = "100"', r"\[training\] rounds: must be a valid integer"),
    ("checks", "duplicates = true", r"\[checks\] duplicates: must be a valid number"),
    ("checks.columns.x", "min = nan", r"\[checks.columns.x\] min: .*finite"),
    ("features", "x = 1", r"\[features\] x: must be text"),
    ("features", "", r"\[features\]: must not be empty"),
    ("features", "x = {}", r"\[features.x\] python: is missing"),
    ("features", "x = { python = 1 }", r"\[features.x\] python: must be text \(got 1\)"),
    ("features", "x = { python = 'a.b' }", r"\[features.x\] python: must be a module"),
    ("features", "x = { python = 'a:b', columns = 'c' }", r"\[features.x\] columns: .*list"),
    ("sources", "s = 3", r"\[sources\] s: must be a path"),
    ("sources", '"a b" = "s.csv"', r"\[sources\] a b: must be letters"),
    ("sources", 's = "https://a/s.csv"', r"\[sources.s\] uri: .*s3://"),
    ("sources", 'a = "a.csv"\nb = "b.csv"', r"\[extract\] query is missing"),
    ("extract", 'key = "id"', r"\[extract\] key: must be a list"),
    ("extract", 'key = ["id", "id"]', r"\[extract\]: key names a column twice"),
    ("extract", 'query = " "', r"\[extract\] query: must be an SQL query"),
    ("extract", 'time = "t"\nwindow = 30', r"\[extract\] window: .*'180d'"),
    ("extract", 'time = "t"\nwindow = "0d"', r"\[extract\] window: .*longer"),
    ("extract", 'window = "9d"', r"need \[extract\] time"),
    ("training", 'holdout = "99999w"', r"\[training\] holdout: .*100 years"),
    ("training", "holdout = 1.5", r"\[training\] holdout: .*share"),
    ("tables.a", 'source = "s"\nentity = []\nvalues = { v = "x" }', r"entity = \[\] needs time"),
    ("training", "monotone = { x = 2 }", r"\[training.monotone\] x: must be -1 or 1"),
    ("training", 'interactions = ["x"]', r"\[training\] interactions: must be a list .*got 'x'"),
    ("training", "interactions = [[]]", r"\[training\] interactions: must not be empty"),
    ("training", "params = { a = [1] }", r"\[training.params\] a: .*'1,-1,0'"),
    ("serving", "workers = 0", r"\[serving\] workers: must be a whole number from 1 to 64, or"),
    ("serving", "workers = 65", r"\[serving\] workers: .*64"),
    ("serving", "workers = true", r"\[serving\] workers: must be a whole number"),
    ("serving", "workers = 2.0", r"\[serving\] workers: must be a whole number"),
    ("serving", 'workers = "all"', r'\[serving\] workers: .*or "auto"'),
    ("checks.columns.x", "min = 2\nmax = 1", r"\[checks.columns.x\]: min = 2"),
    ("checks.columns.x", 'type = "text"\nmin = 2', "min and max are for numbers"),
    ("checks", "label_rate = [0.5, 0.1]", r"\[checks\] label_rate"),
    ("gate", 'metric = "rmse"', r"\[gate\] metric: rmse is not for binary; one of auc"),
]


@pytest.mark.parametrize(("section", "text", "said"), UNKNOWN)
def test_unknown_key_is_refused_with_the_nearest(section: str, text: str, said: str) -> None:
    with pytest.raises(DefinitionError, match="^made.toml: " + said):
        parse_definition(define(**{section: text}), "made.toml")


@pytest.mark.parametrize(("section", "text", "said"), WRONG)
def test_wrong_value_is_refused_with_its_key(section: str, text: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as refusal:
        parse_definition(define(**{section: text}), "made.toml")
    assert refusal.value.exit_code == 2
    assert "\n" not in str(refusal.value)


def test_holdout_that_lasts_needs_a_time() -> None:
    with pytest.raises(DefinitionError, match=r"holdout is a duration, but \[extract\] time"):
        parse_definition(define(extract="", training='holdout = "9d"'), "made.toml")


def test_label_rate_is_for_a_binary_target() -> None:
    sections = {"target": 'value = "x"\nkind = "regression"', "checks": "label_rate = [0, 1]"}
    with pytest.raises(DefinitionError, match=r"\[checks\] label_rate is for a binary target"):
        parse_definition(define(**sections), "made.toml")


def test_misspelt_name_is_named_rather_than_the_missing_one() -> None:
    with pytest.raises(DefinitionError, match=r"nme: unknown key; did you mean 'name'"):
        parse_definition(define().replace("name =", "nme ="), "made.toml")


def test_durations_and_shares_are_read() -> None:
    sections = {"extract": 'time = "t"\nwindow = "26w"', "training": 'holdout = "36h"'}
    definition = parse_definition(define(**sections), "made.toml")
    assert definition.extract.window == timedelta(weeks=26)
    assert definition.training.holdout == timedelta(hours=36)
    assert parse_definition(define(), "made.toml").training.holdout == 0.2


def test_definition_without_newer_keys_has_the_digest_that_it_always_had() -> None:
    """Versions are named by it: with another one, a rerun would make a second version."""
    text = "name = 'churn'\nsources.t = 't.csv'\ntarget = { value = 'left', kind = 'binary' }"
    known = "e76ee7bc1050c7007a952061340fbab783da79a397e5b3c8574bc8ad478a434b"
    assert parse_definition(text, "churn.toml").digest == known


def test_digest_ignores_comments_but_no_value() -> None:
    plain = parse_definition(define(), "made.toml")
    assert parse_definition("# why\n" + define(), "made.toml").digest == plain.digest
    assert parse_definition(define(training="seed = 2"), "made.toml").digest != plain.digest


def test_keys_that_came_later_change_no_digest_while_they_are_not_given() -> None:
    plain = "name = 'churn'\nsources.t = 't.csv'\ntarget = { value = 'left', kind = 'binary' }\n"
    digest = "e76ee7bc1050c7007a952061340fbab783da79a397e5b3c8574bc8ad478a434b"
    assert parse_definition(plain, "churn.toml").digest == digest
    automatic = f"{plain}[training]\ncalibrate = 'auto'\n"
    assert parse_definition(automatic, "churn.toml").digest == digest
    never = f"{plain}[training]\ncalibrate = 'never'\n"
    assert parse_definition(never, "churn.toml").digest != digest


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"target": 'value = "y"\nkind = "regression"'}, "is for a binary target"),
        ({"extract": 'time = "t"'}, r"needs \[extract\] time and key"),
        ({"extract": 'key = ["id"]'}, r"needs \[extract\] time and key"),
        ({"serving": "log = false\n"}, "needs the prediction log: log = true"),
        ({"training": 'weight = "k"'}, "leave one of them out"),
        (
            {"serving": 'log_without = ["id"]\n'},
            "needs 'id' in the log: take it out of log_without",
        ),
        ({"serving": 'follow_base_rate = "0d"'}, r"follow_base_rate: must be longer than nothing"),
    ],
)
def test_base_rate_is_followed_only_where_labels_lead_back(
    sections: dict[str, str], said: str
) -> None:
    serving = sections.get("serving", "")
    if "follow_base_rate" not in serving:
        serving += 'follow_base_rate = "14d"'
    with pytest.raises(DefinitionError, match=rf"\[serving\] .*{said}"):
        parse_definition(define(**sections | {"serving": serving}), "made.toml")


def test_keys_that_are_not_given_are_in_no_digest() -> None:
    """A definition of before they came has the digest that its versions are named by."""
    old = parse_definition(define(training="rounds = 9"), "made.toml")
    assert old.digest == "28aa08466a00788458cb453cd2cb41cc1f33983e669879982c2562ef7a63ea72"
    new = parse_definition(define(training='rounds = 9\ngroup = "k"'), "made.toml")
    assert new.digest != old.digest
