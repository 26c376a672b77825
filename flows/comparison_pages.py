"""Two versions set against each other, printed for people.

Responsible for saying first what changed and then what that changes, with both sides whole also in
80 columns. Not responsible for the terminal (`console`), nor for the comparison.
"""

from collections.abc import Iterable
from typing import Any

from flows import console

_DRIFTED, _MOST, _LINES = 0.1, 10, 40  # the PSI from which a column is shown, and how many


def print_comparison(found: dict[str, Any]) -> None:
    """Print what changed, then both versions on the rows that neither has seen."""
    before, after, changes = found["before"], found["after"], found["changes"]
    console.print_title(f"{found['model']}: what changed")
    for word, side in (("before", before), ("after", after)):
        said = f"{word:<7} {side['version']}  as of {(side['as_of'] or '–')[:16]}"
        _print(f"{said}, published {side['published'][:16]}")
    if found["nothing_changed"]:
        _print("nothing changed of what a version is made of")
    if found["same_model"]:
        _print("the released model is the same, byte by byte")
    for title in ("definition", "fitted", "packages"):
        _print_changes(title, changes[title])
    if changes["modules"]:
        _print("code: Perennial's own modules that make models are others")
    for each in changes["code"]:
        _print_code(each)
    _print_features(changes["features"])
    _print_data(changes["data"])
    _print_answers(found)


def _print_changes(title: str, changes: Iterable[dict[str, Any]]) -> None:
    if not changes:
        return
    console.print_title(title)
    for each in changes:
        _print(f"  {each['name']}: {write(each['before'])} → {write(each['after'])}")


def _print_code(change: dict[str, Any]) -> None:
    console.print_title(f"code: {change['module']}")
    for line in change["lines"][2:_LINES]:
        _print(f"  {line}")
    if len(change["lines"]) > _LINES:
        _print(f"  … {len(change['lines']) - _LINES:,} lines more; --json has all")


def _print_features(features: list[dict[str, Any]]) -> None:
    console.print_title("features")
    table = console.new_table("feature", "", "share before", "after", whole=(1, 2, 3))
    for each in features[:_MOST]:
        change = "" if each["change"] == "none" else each["change"]
        table.add_row(each["name"], change, share(each["share_before"]), share(each["share_after"]))
    console.out.print(table)
    if len(features) > _MOST:
        _print(f"and {len(features) - _MOST} more, that did not change or weigh less")
    for each in (each for each in features if each["change"] != "none"):
        _print(f"  {each['name']}: {write(each['before'])} → {write(each['after'])}")


def _print_data(data: dict[str, Any]) -> None:
    if data["same"]:
        return _print("data: the same snapshot")
    _print_changes("data", data["rows"])
    for each in data["sources"]:
        _print(f"  source {each['name']}: {write(each['before'], 12)} → {write(each['after'], 12)}")
    for each in data["columns"]:
        types = f"{each['reference_dtype'] or '–'} → {each['current_dtype'] or '–'}"
        _print(f"  column {each['column']} {each['change']}: {types}")
    moved = [each for each in data["drift"] if each["psi"] >= _DRIFTED]
    for each in moved[:_MOST]:
        _print(f"  drift {each['column']}: PSI {each['psi']:.3f}")
    if not moved:
        _print(f"  no column drifted by a PSI of {_DRIFTED} or more")
    elif len(moved) > _MOST:
        _print(f"  and {len(moved) - _MOST} columns more drifted; --json has all")


def _print_answers(found: dict[str, Any]) -> None:
    answers = found["answers"]
    console.print_title("on rows that neither has seen")
    if answers["reason"]:
        _print(f"nothing to compare: {answers['reason']}")
        return
    models = " and ".join(
        f"{'the evaluated twin' if model == 'twin' else 'the released model'} of {side}"
        for model, side in zip(answers["models"], ("before", "after"), strict=True)
    )
    _print(f"{answers['rows']:,} of {answers['held_out']:,} held-out rows, answered by {models}")
    sure = f"after is better by ({answers['confidence'] * 100:g}% interval)"
    table = console.new_table("metric", "before", "after", sure)
    for each in answers["metrics"]:
        gain = each["gain"]
        said = f"{gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
        table.add_row(each["metric"], f"{each['before']:.4f}", f"{each['after']:.4f}", said)
    console.out.print(table)
    if answers["decisions"]:
        _print_decisions(answers["decisions"])
    if answers["differences"]:
        _print_differences(answers["differences"])
    _print_slices(answers["slices"])
    _print_examples(answers)


def _print_decisions(told: dict[str, Any]) -> None:
    if told["thresholds"]:
        ends = " → ".join(f"{each:.4g}" for each in told["thresholds"])
        _print(f"yes from a probability of {ends}")
    _print(
        f"{told['flipped']:,} of {told['rows']:,} decisions flip ({told['share']:.1%}): "
        f"{told['mended']:,} are right now, {told['spoilt']:,} were right before"
    )
    for each in told["flips"]:
        counts = f"{each['rows']:,}, right before {each['right_before']:,}"
        _print(f"  {each['before']} → {each['after']}: {counts}, after {each['right_after']:,}")


def _print_differences(told: dict[str, Any]) -> None:
    low, *_, high = told["quantiles"]
    _print(
        f"{told['moved']:,} of {told['rows']:,} values move, by {told['mean_size']:.4g} on average "
        f"(mean {told['mean']:+.4g}; 90% from {low:+.4g} to {high:+.4g})"
    )
    _print(
        f"{told['beyond']:.1%} move by more than the mean error before, {told['typical_error']:.4g}"
    )


def _print_slices(slices: list[dict[str, Any]]) -> None:
    shown = [each for each in slices if each["share"] or each["mean_size"]][:_MOST]
    if not shown:
        return
    flips = shown[0]["share"] is not None
    table = console.new_table("slice", "rows", "flip" if flips else "mean size of a move")
    for each in shown:
        moved = (
            f"{each['flipped']:,} ({each['share']:.1%})" if flips else f"{each['mean_size']:.4g}"
        )
        table.add_row(f"{each['slice']} = {each['level']}", f"{each['rows']:,}", moved)
    console.out.print(table)


def _print_examples(answers: dict[str, Any]) -> None:
    if not answers["examples"]:
        return
    unit = f"; contributions in {answers['scale']}" if answers["scale"] else ""
    console.print_title(f"typical rows that are answered differently{unit}")
    if answers["unexplained"]:
        _print(f"no contributions: {answers['unexplained']}")
    for each in answers["examples"]:
        key = ", ".join(f"{name} {value}" for name, value in each["key"].items())
        said = f"{each['said_before']} → {each['said_after']}"
        chances = f" ({each['before']:.4g} → {each['after']:.4g})"
        _print(f"  {key}: {said}{chances}, true {each['target']}")
        for moved in each["moved"]:
            _print(f"    {write_contribution(moved)}")


def write_contribution(moved: dict[str, Any]) -> str:
    """Write what a feature added before and adds now, with its value, or both where they differ.

    >>> write_contribution({"feature": "hour", "before": 0.25, "after": None,
    ...                     "value_before": 6, "value_after": None})
    'hour = 6 → –: +0.2500 → –'
    """
    one, other = (write(moved[f"value_{side}"]) for side in ("before", "after"))
    value = one if one == other else f"{one} → {other}"
    sides = ["–" if moved[side] is None else f"{moved[side]:+.4f}" for side in ("before", "after")]
    return f"{moved['feature']} = {value}: {' → '.join(sides)}"


def write(value: Any, most: int = 200) -> str:
    """Write one side of a change; what is not there is an en dash.

    >>> write(None), write(0.25), write(12_000), write(["a", "b"]), write("x" * 9, 4)
    ('–', '0.25', '12,000', 'a, b', 'xxx…')
    """
    if value is None:
        return "–"
    if isinstance(value, list):
        value = ", ".join(map(write, value)) or "none"
    text = str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def share(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return "–" if value is None else f"{value:.1%}"


def _print(text: str) -> None:
    console.out.print(text, soft_wrap=True)
