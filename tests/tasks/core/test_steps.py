"""Steps: plain functions that Prefect records once they run in a flow."""

import subprocess
import sys

from prefect import Task
from prefect.cache_policies import NO_CACHE

from tasks.core.steps import step


@step("doubling")
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def test_function_is_there_without_prefect() -> None:
    assert double.fn(2) == 4
    assert (double.name, double.__doc__) == ("doubling", "Double a number.")


def test_prefect_knows_it_by_its_name_and_caches_nothing() -> None:
    task = double._task
    assert isinstance(task, Task)
    assert (task.name, task.fn, task.cache_policy) == ("doubling", double.fn, NO_CACHE)


def test_a_step_that_is_only_defined_loads_no_prefect() -> None:
    code = (
        "import sys; from tasks.core.steps import step; step('x')(print).fn();"
        "sys.exit('prefect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
