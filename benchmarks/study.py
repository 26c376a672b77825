"""A benchmark over sizes: who is measured at which, and the record that is kept of each.

Owns the records of growing tables, one entry a size, so that a run may go on where another ended.
Refuses to know what is measured, and what is made of the numbers: `growth` does.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.measure import (
    Measurement,
    describe_machine,
    measure,
    read_record,
    say,
    write_record,
)

SIZES = (336_776, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
Of = Literal["seconds", "peak_mb"]
Record = Mapping[str, Any]

_SMALL = 500_000


@dataclass(frozen=True)
class Goal:
    """At most so many times what stands beside it costs; or, beside nothing, at most so much."""

    who: str
    beside: str
    most: float
    of: Of = "seconds"
    rows: int | None = None


@dataclass(frozen=True)
class Study:
    """One benchmark over sizes. `limits` says up to which size each of them is measured."""

    name: str
    title: str
    compare: Callable[[int, Path], dict[str, Measurement]]
    versions: Callable[[], dict[str, str]]
    ours: tuple[str, ...]
    peers: tuple[str, ...]
    goals: tuple[Goal, ...]
    sizes: tuple[int, ...] = SIZES
    unit: str = "rows"
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def everyone(self) -> tuple[str, ...]:
        return (*self.ours, *self.peers)

    def those_at(self, rows: int) -> list[str]:
        """Give who is measured at a size."""
        return [who for who in self.everyone if rows <= self.limits.get(who, rows)]

    def run(self, arguments: Sequence[str]) -> None:
        """Measure the sizes given, or all, and keep each as soon as it is known.

        Each gets a folder of its own; what sizes share lies beside it.
        """
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as folder:
            for rows in [int(each) for each in arguments] or self.sizes:
                if self.those_at(rows):
                    say(f"{self.name}, {rows:,} {self.unit}")
                    own = Path(folder, str(rows))
                    own.mkdir()
                    self.keep(rows, self.compare(rows, own))
                    shutil.rmtree(own)

    def keep(self, rows: int, runs: Mapping[str, Measurement]) -> None:
        kept = read_record(self.name).get("sizes", {})
        kept[str(rows)] = {
            "runs": {
                who: {"seconds": round(run.seconds, 5), "peak_mb": round(run.peak_mb)}
                for who, run in runs.items()
            },
            "machine": describe_machine(),
            "versions": self.versions(),
        }
        for who, run in runs.items():
            say(f"{self.name} {rows:,}: {who} {run.seconds:.4g} s, {run.peak_mb:.0f} MB")
        write_record(self.name, {"sizes": dict(sorted(kept.items(), key=lambda at: int(at[0])))})


def measure_everyone(
    study: Study, rows: int, peers: str, here: Sequence[str], *arguments: str
) -> dict[str, Measurement]:
    """Measure `run_WHO` of a study's file: those here by this Python, others by the peers'.

    Of small tables the median of three runs counts, for peers as well if they are here.
    """
    runs = 3 if rows <= _SMALL else 1
    return {
        who: measure(
            f"benchmarks.{study.name}:run_{who}",
            *arguments,
            python=sys.executable if who in here else peers,
            runs=runs if who in here else 1,
        )
        for who in study.those_at(rows)
    }


def read_points(record: Record, who: str, of: Of) -> dict[int, float]:
    """Give what one of them cost at each size that was measured."""
    sizes = record["sizes"].items()
    return {int(rows): each["runs"][who][of] for rows, each in sizes if who in each["runs"]}
