"""Retrain and release killed at random instants and in each step, while a server follows.

The few kills of the ordinary test run are the first of the long one: `make torture`.
"""

from itertools import count
from random import Random

import pytest
from followed import Followed
from ground import KILLS, SEED, Ground, in_the_long_run, later
from runs import Run
from strikes import Torturer, draw_strikes
from whole import wait_until_gone

from tasks.store import work_folder

EACH_STEP = KILLS // 20


def test_retrain_killed_at_any_instant_ends_as_if_nothing_had_been(ground: Ground) -> None:
    random = Random(f"{SEED} retrain {ground.kind}")
    strikes = draw_strikes("retrain", KILLS, EACH_STEP, random)
    torturer = Torturer("retrain", strikes, random, ground.inspector())
    for number in count():
        if not strikes:
            break
        when = later(number)
        ground.check_retrained(torturer.endure(ground.retrain(when)), when)
    settle(ground, torturer)


@pytest.mark.parametrize(
    "ground", ["disk", pytest.param("bucket", marks=in_the_long_run)], indirect=True
)
def test_release_killed_at_any_instant_ends_as_if_nothing_had_been(
    ground: Ground, followed: Followed
) -> None:
    random = Random(f"{SEED} release {ground.kind}")
    strikes = draw_strikes("release", KILLS, EACH_STEP, random)
    torturer = Torturer("release", strikes, random, ground.inspector())
    version = ground.newer
    for number in count():
        ground.check_released(torturer.endure(ground.release(version)), version)
        followed.wait_for(version)
        followed.check()
        if not strikes:
            break
        version = Run(ground.retrain(later(number))).wait().value["version"]
    settle(ground, torturer, followed)


def settle(ground: Ground, torturer: Torturer, followed: Followed | None = None) -> None:
    """Read the whole root once more; nothing may be left of the runs that were killed."""
    torturer.inspector.look_again()
    wait_until_gone(ground.work, followed.processes() if followed else ())
    with work_folder(ground.store):  # clears away what is left of them
        folders = list(ground.work.glob("run-*.lock"))
    assert len(folders) == (2 if followed else 1), folders
    print(f"\n{ground.kind}: {torturer}{f'; {followed}' if followed else ''}")
