"""What a backtest says of which retrain is worth it: sentences, and a table of the options.

Not responsible for the choice itself (`backtest.choice`).
"""

from collections.abc import Iterator

from tasks.backtest.choice import Choice, Gap, Option
from tasks.reports.display_names import METRICS

_FEWEST = "No period has enough rows whose label is known: no policy is better than another."


def tell_choice(choice: Choice | None) -> Iterator[str]:
    """Name the best policy, how sure that is, and which simpler one would do."""
    if choice is None:
        yield _FEWEST
        return
    yield _name_best(choice)
    if choice.by != "cost":
        yield (
            f"No [serving] cost says what a mistake costs, so policies are held against each other "
            f"by the gate's metric, {METRICS[choice.by][0]}; what retrains cost does not count."
        )
    if choice.gaps:
        yield f"{_tell_gap(choice, choice.gaps[0], 'the next')}."
    nothing = choice.gap("never")
    if choice.best == "never":
        yield "That is to do nothing."
    elif nothing is None:
        yield "Doing nothing (never) was not among them."
    elif nothing is not choice.gaps[0]:
        yield f"{_tell_gap(choice, nothing, 'which is to do nothing')}."
    if choice.simplest != choice.best:
        yield f"Of those that cannot be told apart, {choice.simplest} is the simplest: take that."
    elif not all(each.apart for each in choice.gaps):
        yield f"Of those that cannot be told apart, {choice.best} is the simplest, too."


def _name_best(choice: Choice) -> str:
    best, count = choice.options[0], len(choice.options)
    of = f" of {count}" if count > 1 else ", alone"
    if best.answers is None or best.retraining is None:
        return f"{best.name} is the best{of}: mean {METRICS[choice.by][0]} {best.value:.4f}."
    retrains = f"{best.retrains} retrains, {_say_cost(best.retraining)}"
    if not choice.retrain_cost:
        retrains = f"{best.retrains} retrains were taken to cost nothing (--retrain-cost)"
    return (
        f"{best.name} is the cheapest{of}, in the unit of [serving] cost: {_say_cost(best.value)} "
        f"on {choice.rows:,} rows with a label; answers {_say_cost(best.answers)}, {retrains}."
    )


def _tell_gap(choice: Choice, gap: Gap, which: str) -> str:
    gain, say = gap.gain, _say_cost if choice.by == "cost" else "{:.4f}".format
    value, low, high = (say(each) for each in (gain.value, gain.low, gain.high))
    by = f"costs {value} more" if choice.by == "cost" else f"is worse by {value}"
    said = f"{gap.other}, {which}, {by} ({choice.confidence:.0%} interval {low} to {high})"
    return f"{said}, surely" if gap.apart else f"{said}: they cannot be told apart"


def list_choice_heads(choice: Choice) -> list[str]:
    if choice.by == "cost":
        told = ["Cost of answers", "Retrains", "Cost of retrains", "In all"]
    else:
        told = [f"Mean {METRICS[choice.by][0]}", "Retrains"]
    return ["Policy", *told, f"Behind the best ({choice.confidence:.0%} interval)"]


def list_choice(choice: Choice) -> Iterator[list[str]]:
    """Give a row for each option, from the best on."""
    for each in choice.options:
        yield [each.name, *_list_values(each), _say_behind(choice, each)]


def _list_values(option: Option) -> list[str]:
    if option.answers is None or option.retraining is None:
        return [f"{option.value:.4f}", f"{option.retrains}"]
    costs = (_say_cost(each) for each in (option.answers, option.retraining, option.value))
    answers, retraining, whole = costs
    return [answers, f"{option.retrains}", retraining, whole]


def _say_behind(choice: Choice, option: Option) -> str:
    gap = choice.gap(option.name)
    if gap is None:
        return "–"
    say = _say_cost if choice.by == "cost" else "{:.4f}".format
    gain = gap.gain
    said = f"{say(gain.value)} ({say(gain.low)} to {say(gain.high)})"
    return said if gap.apart else f"{said}, not told apart"


def _say_cost(value: float) -> str:
    """Say a cost with as many digits as it needs.

    >>> _say_cost(12345.6), _say_cost(12.345), _say_cost(-0.5)
    ('12,346', '12.35', '-0.50')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
