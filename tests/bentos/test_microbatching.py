"""Single rows that wait together are answered together, each by its own model."""

import asyncio

from any_model import gather, write

from bentos.model import Model


def test_rows_that_came_around_a_swap_are_answered_each_by_its_model(
    classes: Model, amount: Model
) -> None:
    row = classes.schema.decode_row(write())
    answers = gather(classes, [(classes, row), (amount, row), (classes, row)])
    versions = [each["version"] for each in answers]
    assert versions == [classes.version, amount.version, classes.version]


def test_who_went_away_is_not_answered(classes: Model) -> None:
    good, bad = (classes.schema.decode_row(write(when=each)) for each in ("2020-01-02", "no"))
    answers = gather(classes, [(classes, good), (classes, good)], gone=(0,))
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1]["version"] == classes.version
    (answer,) = gather(classes, [(classes, bad)], gone=(0,))
    assert isinstance(answer, asyncio.CancelledError)
