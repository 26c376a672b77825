"""Retrain and release killed at random instants and in each step, while a server follows.

The ordinary test run kills one version a few times, within steps that the seed draws: how long a
whole run takes is not known yet, and instants drawn over it could all be early. `make torture` goes
on with one version after another until all kills have struck.
"""

from itertools import count
from random import Random

import pytest
from followed import Followed
from ground import KILLS, LONG, SEED, Ground, in_the_long_run, later
from runs import Run
from strikes import Torturer, draw_strikes
from whole import wait_until_gone

from tasks.storage.store import work_folder

LAST = {  # over before a strike falls due
    "refit", "publication", "offer", "promotion", "models", "artifact",
}  # fmt: skip


def start_torturer(flow: str, ground: Ground) -> Torturer:
    random = Random(f"{SEED} {flow} {ground.kind}")
    if LONG:
        strikes = draw_strikes(flow, KILLS, KILLS // 20, random)
    else:
        strikes = [each for each in draw_strikes(flow, 0, 1, random) if each.step not in LAST]
        strikes = strikes[:KILLS]
    return Torturer(flow, strikes, random, ground.inspector())


def test_retrain_killed_at_any_instant_ends_as_if_nothing_had_been(ground: Ground) -> None:
    torturer = start_torturer("retrain", ground)
    for number in count():
        when = later(number)
        ground.check_retrained(torturer.endure(ground.retrain(when)), when)
        if not torturer.strikes or not LONG:
            break
    settle(ground, torturer)


@pytest.mark.parametrize(
    "ground", ["disk", pytest.param("bucket", marks=in_the_long_run)], indirect=True
)
def test_release_killed_at_any_instant_ends_as_if_nothing_had_been(
    ground: Ground, followed: Followed
) -> None:
    torturer = start_torturer("release", ground)
    version = ground.newer
    for number in count():
        ground.check_released(torturer.endure(ground.release(version)), version)
        followed.wait_for(version)
        followed.check()
        if not torturer.strikes or not LONG:
            break
        version = Run(ground.retrain(later(number))).wait().value["version"]
    settle(ground, torturer, followed)


def settle(ground: Ground, torturer: Torturer, followed: Followed | None = None) -> None:
    """Read the whole root once more; nothing may be left of the runs that were killed."""
    assert torturer.killed, "no kill has struck"
    torturer.inspector.look_again()
    wait_until_gone(ground.work, followed.processes() if followed else ())
    with work_folder(ground.store):  # clears away what is left of them
        folders = list(ground.work.glob("run-*.lock"))
    assert len(folders) == (2 if followed else 1), folders
    print(f"\n{ground.kind}: {torturer}{f'; {followed}' if followed else ''}")
