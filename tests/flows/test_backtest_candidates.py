"""A candidate that several policies ask for is made once, by the real steps."""

from datetime import UTC, datetime
from typing import Any

import pytest

START, END = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 7, 29, tzinfo=UTC)


def test_same_retrain_is_made_once(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import backtest_candidates
    from flows.backtest import backtest

    made: list[datetime] = []
    steps = backtest_candidates.make

    def count(*arguments: Any) -> Any:
        made.append(arguments[-1])
        return steps(*arguments)

    monkeypatch.setattr(backtest_candidates, "make", count)
    done = backtest("flight-delay", START, END, "2w", "never,schedule")
    assert made == [START, datetime(2013, 7, 15, tzinfo=UTC)]
    assert done["policies"]["schedule"]["retrains"][0]["version"] != done["first"]
