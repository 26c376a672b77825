"""Looks of a monitor over many days, as a root keeps them, with losses and alerts."""

from datetime import UTC, datetime, timedelta

from tasks.monitoring.looks import ColumnMove, LiveQuality, Look, LookAlert
from tasks.storage.store import Store

FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def make_look(champion: str, day: int, columns: int = 3, model: str = "churn") -> Look:
    """Make the look about one day; on every 30th day quality is lost, and a feature has moved."""
    until, lost = FIRST + timedelta(days=day), day % 30 == 29
    value = 0.6 if lost else 0.8 + (day % 7) / 500
    alert = LookAlert(kind="quality-lost", reason=f"auc fell <b>on day {day}</b>", state="raised")
    return Look(
        at=until + timedelta(minutes=5),
        until=until,
        champion=champion,
        rows=5_000,
        labelled=4_000,
        quality=LiveQuality(
            metric="auc",
            rows=4_000,
            value=value,
            promised=0.81,
            low=value - 0.03,
            high=value + 0.02,
            lost=lost,
        ),
        columns=tuple(
            ColumnMove(
                column=f"feature-{place}",
                distance=min(0.05 + place * 0.01 + (0.5 if lost else 0), 1),
                weight=1 / columns,
                alarm=lost and place == columns - 1,
            )
            for place in range(columns)
        ),
        alerts=(alert,) if lost else (),
        report=f"monitoring/{model}/reports/{until:%Y-%m-%d}/report.html",
        digest="0" * 64,
    )


def keep_looks(store: Store, model: str, champion: str, days: int, columns: int = 3) -> list[Look]:
    """Keep a look about each of these days."""
    looks = [make_look(champion, day, columns, model) for day in range(days)]
    for each in looks:
        path = f"monitoring/{model}/looks/{each.name}.json"
        store.create(path, each.model_dump_json().encode())
    return looks
