"""Retrain and release killed at random instants and in each step, while a server follows.

The few kills of the ordinary test run are the first of the long one: `make torture`.
"""

import os
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from followed import Followed
from runs import Outcome, Run
from strikes import Torturer, draw_strikes
from whole import check_bento, compare_versions, wait_until_gone

from tasks.ledger import read_ledger
from tasks.registry import get_version
from tasks.standing import list_champions
from tasks.store import open_store, work_folder

if TYPE_CHECKING:
    from conftest import Ground

MODEL = "flight-delay"
SEED = int(os.environ.get("SEED", "1"))
KILLS = int(os.environ.get("KILLS", "2"))
EACH_STEP = int(os.environ.get("EACH_STEP", "0"))
BEGUN = datetime(2013, 7, 25, tzinfo=UTC)  # when the newest candidate of the ground was made
LATER = timedelta(hours=1)


def test_retrain_killed_at_any_instant_ends_as_if_nothing_had_been(ground: "Ground") -> None:
    random = Random(f"{SEED} retrain {ground.kind}")
    strikes = draw_strikes("retrain", KILLS, EACH_STEP, random)
    torturer = Torturer("retrain", strikes, random, ground.inspector())
    when = BEGUN
    while strikes:
        when += LATER
        ended = torturer.endure(ground.order("retrain", as_of=when))
        undisturbed = Run(ground.order("retrain", ground.undisturbed, as_of=when)).wait()
        assert (ended.ended, undisturbed.ended) == ("done", "done"), (ended, undisturbed)
        version = ended.value["version"]
        here, there = ground.store, open_store(ground.undisturbed)
        ours, theirs = (get_version(store, MODEL, version) for store in (here, there))
        compare_versions(ours, here, theirs, there)
    settle(ground, torturer)


def test_release_killed_at_any_instant_ends_as_if_nothing_had_been(
    ground: "Ground", followed: Followed
) -> None:
    random = Random(f"{SEED} release {ground.kind}")
    strikes = draw_strikes("release", KILLS, EACH_STEP, random)
    torturer = Torturer("release", strikes, random, ground.inspector())
    version, when = ground.newer, BEGUN
    while True:
        given = {"version": version, "decision": "approve", "approver": "Ada"}
        order = ground.order("release", **given, reason="a test", override=True)
        check_released(ground, torturer.endure(order), version)
        followed.wait_for(version)
        followed.check()
        if not strikes:
            break
        when += LATER
        retrained = Run(ground.order("retrain", as_of=when)).wait()
        version = retrained.value["version"]
    settle(ground, torturer, followed)


def check_released(ground: "Ground", ended: Outcome, version: str) -> None:
    """Expect a release; a run killed after its promotion hears that it was released already."""
    assert ended.ended == "done" or "was released already" in ended.said, ended
    ledger = read_ledger(ground.store, MODEL)
    assert list_champions(ledger)[-1] == version
    assert [entry.action for entry in ledger if entry.version == version] == ["approve", "release"]
    check_bento(ground.store, MODEL, version, like=ground.champion)


def settle(ground: "Ground", torturer: Torturer, followed: Followed | None = None) -> None:
    """Read the whole root once more; nothing may be left of the runs that were killed."""
    torturer.inspector.look_again()
    wait_until_gone(ground.work, followed.processes() if followed else ())
    with work_folder(ground.store):  # clears away what is left of them
        folders = list(ground.work.glob("run-*.lock"))
    assert len(folders) == (2 if followed else 1), folders
    served = ""
    if followed is not None:
        served = f"; {followed.answered.total():,} requests answered, none wrong, none dropped"
    print(f"\n{ground.kind}: {torturer}{served}")
