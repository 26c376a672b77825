"""Which objective has which deviance, and what a definition may judge by it."""

import lightgbm
import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.core.deviances import OBJECTIVE, Deviance, find_deviance
from tasks.core.errors import DefinitionError

BARE = """
name = "claims"
sources.s = "s.parquet"
target = {{ value = "y", kind = "{kind}" }}
gate = {{ {gate} }}
training.params = {{ {params} }}
"""


def define(params: str = "", gate: str = "", kind: str = "regression") -> Definition:
    return parse_definition(BARE.format(params=params, gate=gate, kind=kind), "claims.toml")


def test_objective_is_found_by_each_of_lightgbm_s_names_for_it() -> None:
    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    assert set(OBJECTIVE) == set(aliases["objective"])
    assert aliases["tweedie_variance_power"] == ["tweedie_variance_power"]
    for name in OBJECTIVE:
        assert find_deviance({name: "gamma"}) == Deviance("gamma_deviance", 2.0)
    assert find_deviance({"objective": "huber"}) is None


def test_deviance_is_what_the_gate_judges_by_first() -> None:
    counts = define("objective = 'poisson'")
    assert (counts.metric, counts.second_metric) == ("poisson_deviance", "rmse")
    own = define("objective = 'tweedie', tweedie_variance_power = 1.1", "metric = 'mae'")
    assert (own.metric, own.second_metric) == ("mae", "tweedie_deviance")
    assert own.deviance == Deviance("tweedie_deviance", 1.1)
    assert define().metrics == ("rmse", "mae", "r2")
    assert define("objective = 'poisson'", kind="binary").deviance is None


def test_deviance_without_its_objective_is_refused_by_what_it_needs() -> None:
    said = r"claims.toml: \[gate\] metric: gamma_deviance needs \[training.params\] objective = 'ga"
    with pytest.raises(DefinitionError, match=said):
        define("objective = 'poisson'", "metric = 'gamma_deviance'")
    with pytest.raises(DefinitionError, match="gamma_deviance is not for binary; one of auc"):
        define(gate="metric = 'gamma_deviance'", kind="binary")
