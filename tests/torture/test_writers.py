"""Several runs at once on one root: of the same version, of several, and decisions on them."""

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest
from followed import Followed
from ground import MODEL, SEED, Ground, in_the_long_run, later
from runs import Order, Outcome, Run

from tasks.registry.versions import find_champion


def together(orders: Iterable[Order]) -> list[Outcome]:
    runs = [Run(order) for order in orders]
    return [run.wait() for run in runs]


@in_the_long_run
@pytest.mark.parametrize("writers", [2, 8])
def test_writers_at_once_leave_one_version_of_each_and_one_chain(
    ground: Ground, writers: int
) -> None:
    inspector = ground.inspector()
    same = together([ground.retrain(later(0)) for _ in range(writers)])
    assert {each.ended for each in same} == {"done"}, same
    assert len({each.value["version"] for each in same}) == 1
    ground.check_retrained(same[0], later(0))
    others = together([ground.retrain(later(number)) for number in range(1, writers + 1)])
    for number, each in enumerate(others, start=1):
        ground.check_retrained(each, later(number))
    inspector.look_again()
    print(f"\n{ground.kind}: {writers} retrains of one version, and of {writers}, at once")


@in_the_long_run
@pytest.mark.parametrize("writers", [2, 8])
def test_releases_at_once_leave_one_champion_and_one_chain(
    ground: Ground, followed: Followed, writers: int
) -> None:
    random, inspector = Random(f"{SEED} {writers} {ground.kind}"), ground.inspector()
    made = together([ground.retrain(later(number)) for number in range(writers)])
    versions = [each.value["version"] for each in made]
    orders = [ground.release(version) for version in [*versions, versions[-1]]]
    orders += [ground.release(versions[0], "reject"), ground.release(ground.champion, "rollback")]
    random.shuffle(orders)
    ended = Counter(each.ended for each in together(orders))
    assert set(ended) <= {"done", "DecisionRefused"}, ended
    inspector.look_again()
    champion = find_champion(ground.store, MODEL)
    assert champion is not None
    followed.wait_for(champion.version)
    followed.check()
    print(f"\n{ground.kind}: {len(orders)} decisions at once: {dict(ended)}; {followed}")
