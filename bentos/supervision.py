"""How BentoML's supervising process starts workers, and starts one again that died.

Responsible for what is settled there before there is a worker: their number, their group's folder,
and how soon a dead one is noticed. By hand, as BentoML looks every ten seconds, and in a container
never.
"""

from typing import Any

import bentoml._internal.utils.circus as circus
from bentoml._internal.configuration.containers import BentoMLContainer

from bentos.worker_count import EACH_CPU, count_cpus
from bentos.worker_group import found_group

_LOOK_SECONDS = 0.5


def settle_workers(service: str) -> None:
    """Put a number in BentoML's settings where they ask for a worker on each CPU."""
    settings = BentoMLContainer.config.services[service]
    if settings.get().get("workers") == EACH_CPU:
        settings.workers.set(count_cpus())


def prepare_workers(service: str) -> None:
    """Be called once, when their number is settled and none is there."""
    workers: int = BentoMLContainer.config.services[service].get().get("workers") or 1
    found_group(workers)
    if workers > 1:
        parts: Any = circus
        parts.Arbiter = QuickArbiter


class QuickArbiter(circus.Arbiter):
    """Starts a worker that died at once, in a container too, where the others would go on alone."""

    def __init__(self, watchers: list[Any], **options: Any) -> None:
        for each in watchers:
            each.respawn = True
        super().__init__(watchers, **options | {"check_delay": _LOOK_SECONDS})
