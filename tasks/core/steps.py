"""Steps: functions that Prefect records as tasks of the flow that calls them.

Prefect takes seconds to load, so it is loaded when the first step runs: a command that is refused
before that imports steps and never pays for it.
"""

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Step(Generic[P, T]):
    """A function and its name in Prefect; `fn` is the function itself, which records nothing."""

    def __init__(self, name: str, fn: Callable[P, T]) -> None:
        self.name, self.fn = name, fn
        update_wrapper(self, fn)

    def __call__(self, *args: P.args, **given: P.kwargs) -> T:
        done: T = self._task(*args, **given)
        return done

    @cached_property
    def _task(self) -> Callable[..., Any]:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        return task(name=self.name, cache_policy=NO_CACHE)(self.fn)


def step(name: str) -> Callable[[Callable[P, T]], Step[P, T]]:
    """Decorate a function as a Prefect task of this name; its result is never cached."""
    return lambda fn: Step(name, fn)
