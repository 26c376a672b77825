"""Service health: the data contract on served rows, freshness of the data, errors and latency.

Responsible for which rows and hours count. Not responsible for alerts (`findings`).
"""

from collections.abc import Iterator
from datetime import timedelta

from tasks.analysis.null_and_range_checks import check_columns
from tasks.analysis.profile import profile_table
from tasks.core.checks import Check, share_at_most
from tasks.core.definition import Frozen
from tasks.feature_store.online_tables import find_materialised, read_listing
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.serving.request_counts import Counters, add_up, quantile, read_counters
from tasks.storage.store import Store

_FAILING = 0.01  # share of answers that may be the service's own failures


class ServiceHealth(Frozen):
    """What the service counted in the last window; none where it left nothing."""

    counters: Counters | None = None
    median: float | None = None
    slowest: float | None = None
    failed: int = 0
    refused: int = 0
    damaged: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        return sum(self.counters.responses.values()) if self.counters else 0

    @property
    def failing(self) -> bool:
        return self.failed > _FAILING * max(self.answers, 1)


def check_served(
    watch: MonitoringContext, asked: ServedRows, outcomes: GroundTruth
) -> Iterator[Check]:
    """Check the last window's rows by the data contract, and how fresh the sources are."""
    definition = watch.definition
    if watch.version in asked.rows:
        rows = asked.scan(watch, watch.version, watch.window)
        held = rows.collect_schema()
        rules = {k: v for k, v in definition.checks.columns.items() if k in held}
        served = rows.select(list(rules))
        yield from check_columns(rules, served, profile_table(served))
    if definition.extract.key and not outcomes.problem:
        what = "source rows of what was asked repeat a key"
        yield share_at_most(
            "labels twice", outcomes.twice, outcomes.rows, definition.checks.duplicates, what
        )
    if definition.checks.max_age is not None and watch.as_of is not None:
        age, limit = watch.asked_at - watch.as_of, definition.checks.max_age
        said = f"the newest row is {_days(age)} old"
        yield _check_age("freshness of the sources", said, age, limit)


def check_tables(watch: MonitoringContext, store: Store) -> Iterator[Check]:
    """Check that the champion's feature tables are there, and how fresh they are."""
    definition = watch.champion.definition
    if not definition.tables:
        return
    name, found = "feature tables", find_materialised(store, definition)
    if found is None:
        detail = f"none are there; run `perennial materialise {definition.name}`"
        yield Check(name=name, passed=False, detail=detail)
        return
    known = [each.as_of for each in read_listing(store, found).tables.values() if each.as_of]
    if known:
        age, limit = watch.asked_at - min(known), definition.checks.max_age
        yield _check_age(name, f"events are known until {_days(age)} ago", age, limit)


def look_at_service(watch: MonitoringContext, store: Store) -> ServiceHealth:
    """Add up what every server counted in the last window of the clock."""
    end = watch.asked or watch.now
    counted, damaged = read_counters(store, watch.definition.name, end - watch.window, end)
    total = add_up(counted)
    if total is None:
        return ServiceHealth(damaged=tuple(damaged))

    def count(least: int, most: int) -> int:
        codes = ((int(name.split()[-1]), number) for name, number in total.responses.items())
        return sum(number for code, number in codes if least <= code <= most)

    return ServiceHealth(
        counters=total,
        median=quantile(total, 0.5),
        slowest=quantile(total, 0.99),
        failed=count(500, 599),
        refused=count(400, 498),
        damaged=tuple(damaged),
    )


def _check_age(name: str, said: str, age: timedelta, limit: timedelta | None) -> Check:
    return Check(
        name=name,
        passed=limit is None or age <= limit,
        detail=said + ("" if limit is None else f", at most {_days(limit)} allowed"),
        numbers={"age_seconds": age.total_seconds()},
    )


def _days(age: timedelta) -> str:
    return f"{age.total_seconds() / 86_400:.1f} days"
