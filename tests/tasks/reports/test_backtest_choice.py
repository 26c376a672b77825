"""What is said of which retrain is worth it."""

from typing import Any

from tasks.backtest.choice import Choice
from tasks.reports.backtest_choice import list_choice, list_choice_heads, tell_choice


def option(name: str, value: float, **costs: Any) -> dict[str, Any]:
    return {"name": name, "retrains": 2, "value": value, **costs}


def gap(other: str, value: float, low: float) -> dict[str, Any]:
    return {"other": other, "gain": {"value": value, "low": low, "high": 2 * value - low}}


def choice(by: str, *options: dict[str, Any], **rest: Any) -> Choice:
    told = {"by": by, "retrain_cost": 0.0, "rows": 9000, "confidence": 0.95, "options": options}
    return Choice.model_validate(told | {"simplest": options[0]["name"]} | rest)


COSTS = (
    option("drift", 1290.0, answers=1270.0, retraining=20.0),
    option("schedule", 1300.0, answers=1280.0, retraining=20.0),
    option("never", 1900.0, answers=1900.0, retraining=0.0),
)


def test_cheapest_next_and_nothing_are_told_with_their_intervals() -> None:
    gaps = [gap("schedule", 10.0, -40.0), gap("never", 610.0, 500.0)]
    made = choice("cost", *COSTS, gaps=gaps, retrain_cost=10.0, simplest="schedule")
    assert list(tell_choice(made)) == [
        "drift is the cheapest of 3, in the unit of [serving] cost: 1,290 on 9,000 rows with a "
        "label; answers 1,270, 2 retrains, 20.00.",
        "schedule, the next, costs 10.00 more (95% interval -40.00 to 60.00): they cannot be told "
        "apart.",
        "never, which is to do nothing, costs 610.00 more (95% interval 500.00 to 720.00), surely.",
        "Of those that cannot be told apart, schedule is the simplest: take that.",
    ]
    rows = list(list_choice(made))
    assert rows[0] == ["drift", "1,270", "2", "20.00", "1,290", "–"]
    assert rows[1][-1] == "10.00 (-40.00 to 60.00), not told apart"
    assert {len(row) for row in rows} == {len(list_choice_heads(made))}


def test_retrains_that_cost_nothing_are_called_so() -> None:
    (first, *_) = tell_choice(choice("cost", *COSTS[2:], gaps=[]))
    assert first.startswith("never is the cheapest, alone, in the unit of [serving] cost: 1,900")
    assert "2 retrains were taken to cost nothing (--retrain-cost)" in first


def test_without_costs_the_metric_is_named_that_decides() -> None:
    made = choice(
        "log_loss",
        option("never", 0.5),
        option("schedule", 0.51),
        gaps=[gap("schedule", 0.01, -0.01)],
    )
    assert list(tell_choice(made)) == [
        "never is the best of 2: mean Log loss 0.5000.",
        "No [serving] cost says what a mistake costs, so policies are held against each other by "
        "the gate's metric, Log loss; what retrains cost does not count.",
        "schedule, the next, is worse by 0.0100 (95% interval -0.0100 to 0.0300): they cannot be "
        "told apart.",
        "That is to do nothing.",
        "Of those that cannot be told apart, never is the simplest, too.",
    ]
    assert next(list_choice(made)) == ["never", "0.5000", "2", "–"]
    assert {len(row) for row in list_choice(made)} == {len(list_choice_heads(made))}


def test_nothing_that_was_not_simulated_and_nothing_that_can_be_said() -> None:
    made = choice("auc", option("drift", 0.7), option("quality", 0.6), gaps=[gap("quality", 1, 0)])
    assert "Doing nothing (never) was not among them." in list(tell_choice(made))
    (said,) = tell_choice(None)
    assert "No period has enough rows" in said
