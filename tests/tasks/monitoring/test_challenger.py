"""A challenger is a quick model of the same features, and says how much it learned from."""

from datetime import UTC, datetime

from tables import ROWS, define

from tasks.core.columns import TARGET
from tasks.core.definition import parse_definition
from tasks.features.transform import Vocabulary, compile_features
from tasks.monitoring.challenger import Challenger, train_challenger

NOW = datetime(2020, 2, 1, tzinfo=UTC)


def test_challenger_learns_the_rows_whose_label_is_known() -> None:
    definition = parse_definition(define(features='x = "x"'), "made.toml")
    features = compile_features(definition, ROWS.schema, "made.toml")
    known = ROWS.with_columns(ROWS["y"].cast(float).alias(TARGET))
    vocabulary = Vocabulary(categories={})
    made = train_challenger(definition, features, vocabulary, 0, known, NOW)
    predicted = made.predict(features, vocabulary, ROWS)
    assert (made.as_of, made.learned) == (NOW, 400)
    assert predicted[ROWS["y"]].min() > predicted[~ROWS["y"]].max()
    assert Challenger.model_validate_json(made.model_dump_json()) == made


def test_challenger_of_quantiles_predicts_each() -> None:
    target = 'value = "k"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'
    definition = parse_definition(define(features='x = "x"', target=target), "made.toml")
    features = compile_features(definition, ROWS.schema, "made.toml")
    known, vocabulary = (
        ROWS.with_columns(ROWS["k"].cast(float).alias(TARGET)),
        Vocabulary(categories={}),
    )
    made = train_challenger(definition, features, vocabulary, 0, known, NOW)
    assert made.predict(features, vocabulary, ROWS).shape == (400, 3)
