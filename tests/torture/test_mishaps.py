"""A bucket that stumbles and a disk that fills up, under retrain and release.

Each run ends well or with one line that says why; when the trouble is over, a rerun ends as if
there had been none.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults import CODES
from followed import Followed
from ground import KILLS, SEED, Ground, in_the_long_run, later
from runs import Order, Outcome, Run

import tasks.core.errors

ROUNDS = max(1, KILLS // 10)
STUMBLES = (500, 503, "reset", "lose", "cut", "slow")
SHARE = 0.1  # of the requests that go wrong
NEEDED = {"retrain": 1_500, "release": 9_000}  # kilobytes, more or less
Fault = Callable[[str, str], int | str | None]


@in_the_long_run
@pytest.mark.parametrize("ground", ["bucket"], indirect=True)
def test_bucket_that_stumbles_costs_time_and_nothing_else(
    ground: Ground, followed: Followed
) -> None:
    random, server, seen = Random(f"{SEED} bucket"), ground.server, Counter[str]()
    inspector = ground.inspector()
    assert server is not None

    def disturbed(order: Order) -> Outcome:
        server.fault = stumble(random, seen)
        outcome = run_disturbed(order, seen)
        server.fault = lambda method, path: None
        inspector.look()
        return outcome if outcome.ended == "done" else Run(order).wait()

    moments = [later(number) for number in range(ROUNDS)]
    versions = [ground.check_retrained(disturbed(ground.retrain(each)), each) for each in moments]
    for version in versions:
        ground.check_released(disturbed(ground.release(version)), version)
        followed.wait_for(version)
        followed.check()
    inspector.look_again()
    print(f"\nstumbling bucket: {count_up(seen)}; {followed}")


@in_the_long_run
@pytest.mark.parametrize("ground", ["small disk"], indirect=True)
def test_disk_that_fills_up_is_told_and_room_mends_it(ground: Ground) -> None:
    random, seen = Random(f"{SEED} disk"), Counter[str]()
    inspector, ballast = ground.inspector(), Path(ground.root) / "ballast"

    def disturbed(order: Order) -> Outcome:
        fill(ballast, int(random.random() * NEEDED[order.flow]))
        outcome = run_disturbed(order, seen)
        ballast.unlink()
        inspector.look()
        return outcome if outcome.ended == "done" else Run(order).wait()

    moments = [later(number) for number in range(ROUNDS)]
    versions = [ground.check_retrained(disturbed(ground.retrain(each)), each) for each in moments]
    for version in versions:
        ground.check_released(disturbed(ground.release(version)), version)
    inspector.look_again()
    print(f"\nfull disk: {count_up(seen)}")


def run_disturbed(order: Order, seen: Counter[str]) -> Outcome:
    """Run a flow that may fail, but only as Perennial says no: in one line."""
    outcome = Run(order).wait()
    said = f"{order.flow} {outcome.ended}"
    seen[said] += 1
    if outcome.ended != "done":
        kind = getattr(tasks.core.errors, outcome.ended, None)
        assert kind is not None, outcome.said
        assert "\n" not in outcome.said, outcome.said
        print(f"\n{said}: {outcome.said}")
    return outcome


def stumble(random: Random, seen: Counter[str]) -> Fault:
    """Let a share of the requests go wrong, each in its own way."""

    def fault(method: str, path: str) -> int | str | None:
        if random.random() > SHARE:
            return None
        drawn = random.choice(STUMBLES)
        seen[CODES[drawn] if isinstance(drawn, int) else drawn] += 1
        return drawn

    return fault


def fill(ballast: Path, room: int) -> None:
    """Leave that many kilobytes of a disk free."""
    disk = os.statvfs(ballast.parent)
    ballast.write_bytes(b"0" * max(0, disk.f_bavail * disk.f_frsize - room * 1024))


def count_up(seen: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(seen.items()))
