"""Bounds that mean nothing are refused by key, with what to write instead."""

import pytest
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.core.gate_bounds import list_bounds


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("at_least = { recal = 0.5 }", r"\[gate.at_least\] recal: is no metric of a binary target;"
                                       " did you mean 'recall'"),
        ("at_most = { rmse = 2 }", r"at_most\] rmse: is no metric of a binary target; known"),
        ("at_least = { log_loss = 1 }", "log_loss is better when lower; write it in at_most"),
        ("at_most_by_slice = { auc = 0.5 }", "auc is better when higher; write it in at_least_"),
        ("at_least = { auc = 1.5 }", "auc is never above 1, and 1.5 is asked for"),
        ("at_most = { brier = -1 }", "brier is never below 0"),
        ("at_least = {}", r"\[gate.at_least\]: must not be empty"),
        ("at_least = 0.5", "at_least: must be a (valid dictionary|table of keys)"),
        ('at_least = { auc = "0.5" }', r"\[gate.at_least\] auc: must be a valid number"),
    ],
)  # fmt: skip
def test_bounds_that_mean_nothing_are_refused(gate: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse_definition(define(gate=gate), "made.toml")


def test_each_key_has_its_side() -> None:
    text = "at_least = { auc = 0.7 }\nat_least_by_slice = { recall = 0 }\nat_most = { brier = 0.2 }"
    gate = parse_definition(define(gate=text), "made.toml").gate
    assert [(key, side) for key, side, _ in list_bounds(gate)] == [
        ("at_least", "at_least"), ("at_least_by_slice", "at_least"), ("at_most", "at_most"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "gate", "said"),
    [
        ("", "at_most = { gamma_deviance = 2 }", r"needs \[training.params\] objective = 'gamma'"),
        (
            "",
            "at_most = { coverage_error = 0.1 }",
            r"no .* regression target; needs \[target\] quan",
        ),
        ("quantiles = [0.1, 0.9]", "at_most = { rmse = 2 }", "is no metric of quantiles; known"),
    ],
)
def test_a_metric_that_needs_another_key_names_it(target: str, gate: str, said: str) -> None:
    numbers = f'value = "y"\nkind = "regression"\n{target}'
    with pytest.raises(DefinitionError, match=said):
        parse_definition(define(gate=gate, target=numbers), "made.toml")
