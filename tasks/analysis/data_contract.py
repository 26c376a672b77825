"""The data contract: all checks that a snapshot must pass before a model is trained on it.

The share of nulls, ranges and types of single columns are checked in `null_and_range_checks`. Not
responsible for repairing data: what breaks the contract stops the run.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.analysis.column_summary import ColumnSummary
from tasks.analysis.null_and_range_checks import check_columns, check_infinity
from tasks.analysis.point_in_time_check import check_point_in_time
from tasks.analysis.profile import Profile, from_bytes
from tasks.analysis.profile_drift import ColumnDrift, measure_drift
from tasks.core.checks import Check, at_least, at_most, share_at_most
from tasks.core.columns import MATURED, TARGET
from tasks.core.data_sections import ColumnCheck
from tasks.core.definition import Definition, Frozen
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.labels import label_rows, settle_target
from tasks.registry.versions import find_champion, read_file
from tasks.sources.query import SourceTable, event_time
from tasks.storage.store import open_store

_SILENCE, _USUALLY = timedelta(days=7), 5  # how much longer than any other, to be a lost file
_CODES = 50  # numbers as text with fewer levels may well be codes
_GLANCE, _MOSTLY = 10_000, 0.5


class Analysis(Frozen):
    """The contract's checks, the columns, and how far they moved since the champion's snapshot.

    A warning breaks nothing, and a person should know of it. `reference` is the champion's version.
    """

    profile: Path
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    columns: dict[str, ColumnSummary]
    drift: tuple[ColumnDrift, ...] = ()
    reference: str | None = None


def check_contract(
    plan: Plan, snapshot: Snapshot, profile: Profile, table: SourceTable | None = None
) -> list[Check]:
    """Run every check of the data contract over a snapshot; `table` is what it was made from."""
    return [
        *(check_point_in_time(plan.definition, table, snapshot.scan()) if table else ()),
        *check_table(plan, snapshot),
        *check_features(plan, profile),
        *check_columns(plan.definition.checks.columns, snapshot.scan(), profile),
        *check_labels(plan, snapshot),
    ]


def check_table(plan: Plan, snapshot: Snapshot) -> Iterator[Check]:
    """Check how many rows there are, how old, how often twice, and none from the future."""
    contract, extract = plan.definition.checks, plan.definition.extract
    yield at_least("rows", snapshot.rows, contract.rows, "rows")
    if extract.time is not None:
        time = event_time(plan.definition, snapshot.scan().collect_schema())
        untimed = snapshot.scan().select(time).null_count().collect().item()
        what = f"rows have no time in {extract.time!r}, or one that their clocks skipped"
        yield at_most(f"time of {extract.time!r}", untimed, 0, what)
        allowed = snapshot.future_rows if contract.allow_future else 0
        what = f"rows have a {extract.time!r} later than now"
        yield at_most(f"future of {extract.time!r}", snapshot.future_rows, allowed, what)
        yield from check_silence(plan.definition, snapshot)
    if contract.max_age is not None and snapshot.newest is not None:
        age = plan.asked_at - snapshot.newest
        yield Check(
            name="freshness",
            passed=age <= contract.max_age,
            detail=f"the newest row is {_days(age)} old, at most {_days(contract.max_age)} allowed",
            numbers={"age_seconds": age.total_seconds()},
        )
    if extract.key:
        repeated = count_repeats(plan.definition, snapshot)
        named = ", ".join(map(repr, extract.key))
        yield share_at_most(
            "duplicates", repeated, snapshot.rows, contract.duplicates, f"repeat key {named}"
        )


def check_silence(definition: Definition, snapshot: Snapshot) -> Iterator[Check]:
    """Check that rows are never silent for far longer than at any other time: a file is lost."""
    rows = snapshot.scan()
    time = event_time(definition, rows.collect_schema())
    moments = rows.select(at=time).drop_nulls().unique().sort("at")
    gaps = moments.select(gap=pl.col("at").diff(), end="at").drop_nulls().collect()
    longest = gaps.top_k(2, by="gap").rows()
    if len(longest) == 2:
        (gap, end), (usual, _) = longest
        limit = definition.checks.max_silence or max(_SILENCE, _USUALLY * usual)
        yield Check(
            name="silence",
            passed=gap <= limit,
            detail=f"no row for {_days(gap)} until {end:%Y-%m-%d %H:%M}, where the next longest "
            f"silence is {_days(usual)}; at most {_days(limit)} allowed",
            numbers={"seconds": gap.total_seconds(), "most": limit.total_seconds()},
        )


def count_repeats(definition: Definition, snapshot: Snapshot) -> int:
    """Count the rows whose key an earlier row has."""
    key, time = definition.extract.key, definition.extract.time
    rows = snapshot.scan().select(key)
    if time is not None and time not in key:
        return int(snapshot.rows - rows.unique().select(pl.len()).collect().item())
    # Extraction sorts by time and key, so that equal keys lie side by side.
    same = pl.all_horizontal(pl.all().eq_missing(pl.all().shift())).slice(1)
    return int(rows.select(same.sum()).collect().item())


def check_features(plan: Plan, profile: Profile) -> Iterator[Check]:
    """Check that every column a feature needs holds values, and finite ones."""
    broken = []
    for name in plan.features.columns:
        facts = profile.columns[name].facts
        if not facts.values and not facts.infinite:
            detail = f"column {name!r} holds no value at all, and a feature needs it"
            broken.append(Check(name=f"values of {name!r}", passed=False, detail=detail))
        elif facts.infinite and name not in plan.definition.checks.columns:
            broken.append(check_infinity(name, ColumnCheck(), facts))  # or its own rule allows some
    detail = f"all {len(plan.features.columns)} columns that features need hold values"
    yield from broken or [Check(name="features", passed=True, detail=detail)]


def check_labels(plan: Plan, snapshot: Snapshot) -> Iterator[Check]:
    """Check how many matured rows have a label and, for a binary target, how many are true."""
    definition, as_of, scan = plan.definition, plan.as_of, snapshot.scan()
    target, _ = settle_target(definition, as_of, scan, plan.origin)
    matured = label_rows(definition, as_of, scan, target).filter(MATURED)
    known, rate = pl.col(TARGET).count().alias("known"), pl.col(TARGET).mean()
    rows, labelled, mean = matured.select(pl.len(), known, rate).collect().row(0)
    contract = plan.definition.checks
    definition, as_of, scan = plan.definition, plan.as_of, snapshot.scan()
    target, _ = settle_target(definition, as_of, scan, plan.origin)
    matured = label_rows(definition, as_of, scan, target).filter(MATURED)
    rows, labelled, mean = (
        matured.select(
            pl.len().alias("rows"), pl.col(TARGET).count().alias("known"), pl.col(TARGET).mean()
        )
        .collect()
        .row(0)
    )
    contract = definition.checks
    yield share_at_most(
        "unlabelled", rows - labelled, rows, contract.unlabelled, "lack a label though matured"
    )
    if contract.label_rate is not None and labelled:
        low, high = contract.label_rate
        yield Check(
            name="label_rate",
            passed=low <= mean <= high,
            detail=f"{mean:.4f} of labels are true, must be {low} to {high}",
            numbers={"rate": mean, "low": low, "high": high},
        )


def list_warnings(plan: Plan, snapshot: Snapshot, profile: Profile) -> Iterator[str]:
    """Name what is odd and yet no breach: columns that say nothing, or too much."""
    known = set(pl.sql_expr(plan.definition.target.value).meta.root_names())
    for name in plan.features.columns:
        facts = profile.columns[name].facts
        constant = facts.min == facts.max and facts.min is not None
        if facts.values and (constant or len(profile.columns[name].levels) == 1):
            yield f"column {name!r} has one value only: it tells the model nothing"
        if name in known:
            yield f"column {name!r} is in a feature and in the target: is it known beforehand?"
    for name, share in _numbers_in_text(plan, snapshot, profile).items():
        yield (
            f"column {name!r} is text, and {share:.0%} of it are numbers: list what stands for "
            "missing in null_values, or make it a number by TRY_CAST"
        )


def _numbers_in_text(plan: Plan, snapshot: Snapshot, profile: Profile) -> dict[str, float]:
    """Find categories of many levels that are mostly numbers, by the first rows."""
    categories = [plan.features.expression(name) for name in plan.features.categories]
    needed = {column for each in categories for column in each.meta.root_names()}
    texts = [name for name in sorted(needed) if len(profile.columns[name].levels) > _CODES]
    rows = snapshot.scan().select(texts).head(_GLANCE).cast(pl.String).collect()
    numbers = rows.cast(pl.Float64, strict=False)
    shares = {name: numbers[name].count() / max(1, rows[name].count()) for name in texts}
    return {name: share for name, share in shares.items() if share >= _MOSTLY}


def compare_champion(plan: Plan, profile: Profile) -> dict[str, Any]:
    """Measure drift against the snapshot that the champion was made from, where there is one."""
    store = open_store(plan.root)
    champion = find_champion(store, plan.definition.name)
    if champion is None:
        return {}
    reference = from_bytes(read_file(store, champion, "profile.bin"))
    drift = tuple(measure_drift(reference, profile))
    return {"drift": drift, "reference": champion.path.rpartition("/")[2]}


def _days(age: timedelta) -> str:
    return f"{age.total_seconds() / 86_400:.1f} days"
