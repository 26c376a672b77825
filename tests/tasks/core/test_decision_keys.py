"""Thresholds and costs that cannot be are refused by key, with what to write instead."""

import pickle

import pytest
from tables import define

from tasks.core.decision_keys import Cost
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError

AUTO = 'threshold = "auto"'
COST = "cost = { false_alarm = 1, missed = 20 }"


def parse(**sections: str) -> Definition:
    return parse_definition(define(**sections), "made.toml")


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"serving": "threshold = 1"}, r"threshold: must be a number between 0 and 1, or \"auto\""),
        ({"serving": 'threshold = "best"'}, r"threshold: must be a number between 0 and 1"),
        ({"serving": "cost = 3"}, r"\[serving\] cost: must be a table|cost: must be a valid dict"),
        ({"serving": "cost = { missed = 3 }"}, r"\[serving.cost\] false_alarm: is missing"),
        ({"serving": "cost = { miss = 3 }"}, r"\[serving.cost\] miss: unknown key; .* 'missed'"),
        ({"serving": "cost = { false_alarm = -1, missed = 3 }"}, "false_alarm: must be a number"),
        ({"serving": "cost = { false_alarm = 0, missed = 3 }"}, "one answer is always best"),
        ({"serving": AUTO, "training": "early_stopping = 0"}, r"\[serving\] threshold = 'auto'"),
        (
            {"serving": COST, "target": 'value = "x"\nkind = "regression"'},
            r"\[serving\] cost: is for a binary target, not for regression",
        ),
        ({"gate": 'metric = "cost"'}, r"\[gate\] metric: say first what \[serving\] cost"),
        ({"gate": "at_most = { cost = 5 }"}, r"at_most\] cost: .* say first what \[serving\] cost"),
        (
            {"serving": 'cost = { false_alarm = "x", missed = 2 }', "gate": 'metric = "cost"'},
            r"\[gate\] metric: the monitor judges by it too, and knows no row's own cost",
        ),
    ],
)
def test_what_cannot_be_is_refused(sections: dict[str, str], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse(**sections)


def test_costs_are_constant_where_both_are_numbers() -> None:
    assert Cost(false_alarm=1, missed=20.5).constant == (1.0, 20.5)
    assert Cost(false_alarm="x", missed=2).constant is None
    definition = parse(serving=COST)
    assert definition.constant_costs == (1.0, 20.0)
    assert definition.metrics[-1] == "cost"
    assert "cost" not in parse().metrics


def test_chosen_threshold_is_no_part_of_the_digest_and_survives_a_journey() -> None:
    definition = parse(serving=AUTO)
    assert definition.chooses
    with pytest.raises(DefinitionError, match=r"threshold = 'auto': none was chosen yet"):
        assert definition.threshold
    settled = definition.settle(0.125)
    assert (settled.threshold, settled.chooses, settled.digest) == (
        0.125, False, definition.digest,
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(settled)).threshold == 0.125
    assert settled.model_copy(update={"description": "x"}).threshold == 0.125
    assert definition.chooses
    assert parse().settle(None).threshold == 0.5
