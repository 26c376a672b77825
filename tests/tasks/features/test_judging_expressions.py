"""What a row counts, costs and belongs to is refused by key where it cannot be computed."""

import polars as pl
import pytest
from tables import ROWS, define

from tasks.core.columns import FALSE_ALARM, MISSED
from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.features.judging_expressions import check_judging, compile_costs, compile_weight


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"training": 'weight = "c"'}, r"\[training\] weight: gives String, and must be a number"),
        (
            {"serving": 'cost = { false_alarm = "k", missed = "kk" }'},
            r"\[serving.cost\] missed: there is no column 'kk'; did you mean 'k'",
        ),
        ({"gate": 'slices = ["MAX(k)"]'}, r"\[gate\] slices: is an aggregate"),
        (
            {"gate": 'fairness = { by = ["cc"], at_most = 0.1 }'},
            r"\[gate.fairness\] by: there is no column 'cc'; did you mean 'c'",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_by_key(sections: dict[str, str], said: str) -> None:
    definition = parse_definition(define(**sections), "made.toml")
    with pytest.raises(DefinitionError, match=said):
        check_judging(definition, ROWS.schema, "made.toml")


def test_costs_are_a_column_each_and_without_any_there_is_none() -> None:
    serving = 'cost = { false_alarm = "k * 2", missed = 9 }'
    definition = parse_definition(define(serving=serving), "made.toml")
    costs = compile_costs(definition, ROWS.schema, "made.toml")
    found = ROWS.head(2).select(**costs)
    assert found[FALSE_ALARM].to_list() == (ROWS["k"].head(2) * 2).to_list()
    assert found[MISSED].to_list() == [9.0, 9.0] or found[MISSED].to_list() == [9.0]
    plain = parse_definition(define(), "made.toml")
    assert compile_costs(plain, ROWS.schema, "made.toml") == {}
    assert compile_weight(plain, pl.Schema(ROWS.schema), "made.toml") is None
