"""Candidates that are made once in a session, by the real steps."""

from pathlib import Path

import pytest
from candidates import TARGETS, run_steps

from tasks.reports.candidate import draw_report
from tasks.validation.candidate import Candidate


@pytest.fixture(scope="session")
def binary(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return run_steps(few_flights, "binary", tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="session")
def regression(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return run_steps(few_flights, "regression", tmp_path_factory.mktemp("regression"))


@pytest.fixture(scope="session", params=TARGETS)
def candidate(
    request: pytest.FixtureRequest, few_flights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Candidate:
    """Make a real candidate on few flights, for each kind of target."""
    if request.param in ("binary", "regression"):
        made: Candidate = request.getfixturevalue(request.param)
        return made
    return run_steps(few_flights, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def report(candidate: Candidate) -> dict[str, str]:
    return draw_report(candidate)
