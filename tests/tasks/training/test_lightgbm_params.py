"""Parameters that a definition may set, and those that are refused with a reason."""

import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.training.lightgbm_params import check_parameters, model_parameters, name_weights

BARE = """
name = "flights"
sources.flights = "flights.parquet"
target = {{ value = "{target}", kind = "{kind}" }}
[training.params]
{params}
"""


def define(params: str = "", target: str = "arr_delay > 15", kind: str = "binary") -> Definition:
    return parse_definition(BARE.format(target=target, kind=kind, params=params), "flights.toml")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("num_leafs = 31", r"num_leafs: LightGBM has no such parameter; did you mean 'num_leaf"),
        ("n_estimators = 5", r"n_estimators: cannot be set here; set \[training\] rounds instead"),
        ("random_state = 5", r"random_state: cannot be set here; set \[training\] seed instead"),
        ("n_jobs = 5", r"n_jobs: cannot be set here; set \[training\] threads instead"),
        ("deterministic = false", r"deterministic: cannot be set; Perennial settles it"),
        ("save_binary = true", r"save_binary: cannot be set; Perennial settles it"),
        ("objective = 'poisson'", r"'poisson' does not fit a binary target; one of binary, cross"),
        ("num_leaves = 1", r"LightGBM refuses: Check failed: \(num_leaves\) > \(1\)$"),
        ("num_leaves = 31.5", r"LightGBM refuses: Parameter num_leaves should be of type int"),
        ("boosting = 'bagging'", r"LightGBM refuses: Unknown boosting type bagging"),
    ],
)
def test_parameters_that_cannot_be_are_refused(
    params: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DefinitionError, match=rf"flights.toml: \[training.params\].*{said}"):
        check_parameters(define(params), "flights.toml")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_list_by_feature_is_left_for_training_to_check(kind: str) -> None:
    check_parameters(define("monotone_constraints = '1,0,-1'", kind=kind), "flights.toml")


def test_an_alias_counts_like_the_name() -> None:
    definition = define("application = 'huber'\neta = 0.5", "arr_delay", "regression")
    params = model_parameters(definition, 0)
    assert (params["objective"], params["learning_rate"]) == ("huber", 0.5)
    assert "application" not in params


def test_weights_of_a_class_are_named_as_they_were_given() -> None:
    assert name_weights(define("unbalance = true\nnum_leaves = 7")) == ["unbalance"]
    assert name_weights(define()) == []


def test_objective_of_quantiles_points_to_the_key_that_is_for_it() -> None:
    with pytest.raises(DefinitionError, match=r"set \[serving\] interval = 0.9, which"):
        check_parameters(define("objective = 'quantile'", "y", "regression"), "flights.toml")


@pytest.mark.parametrize("params", ["boosting_type = 'dart'", "boosting = 'rf'", "reg_sqrt = true"])
def test_what_cannot_be_had_with_quantiles_is_refused_by_any_name(params: str) -> None:
    text = BARE.format(target="y", kind="regression", params=params)
    quantiles = parse_definition(text.replace("kind", "quantiles = [0.1, 0.9], kind"), "m.toml")
    with pytest.raises(DefinitionError, match=r"cannot be had with \[target\] quantiles; leave it"):
        check_parameters(quantiles, "m.toml")


def test_quantiles_are_aimed_at_by_their_own_objective() -> None:
    text = BARE.format(target="y", kind="regression", params="boosting = 'gbdt'")
    quantiles = parse_definition(text.replace("kind", "quantiles = [0.1, 0.9], kind"), "m.toml")
    check_parameters(quantiles, "m.toml")
    assert model_parameters(quantiles, 0)["objective"] == "quantile"
