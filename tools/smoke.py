"""A smoke run: a system that is up is asked for a retrain, and must leave its candidate.

A script (`make smoke`) that goes the way of a person: by the deployment, the worker and the root of
the environment that PERENNIAL_ENV names.
"""

import os
import sys

from tasks.core.errors import StartFailed
from tasks.processes.settings import read_ready, settle_environment, settle_variables

_SECONDS = 1800


def main(model: str) -> None:
    here = settle_environment()
    os.environ.update(settle_variables(read_ready(here) or here))
    from prefect.deployments import run_deployment

    from flows.retrain import find_done

    run = run_deployment(f"retrain/{model}", timeout=_SECONDS, poll_interval=1)
    if run.state is None or not run.state.is_completed():
        raise StartFailed(f"retrain/{model}: run {run.name} is {run.state_name}")
    made = find_done(model)
    if made is None:
        raise StartFailed(f"retrain/{model}: run {run.name} left no candidate in {here.root}")
    print(f"{model} {made['version']} {made['verdict']}, by run {run.name} of retrain/{model}")


if __name__ == "__main__":
    main(sys.argv[1])
