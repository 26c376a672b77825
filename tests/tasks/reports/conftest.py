"""Candidates that are made once in a session, by the real steps."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from candidates import TARGETS, run_steps

from tasks.reports.candidate import draw_report
from tasks.validation.candidate import Candidate

Kinds = Callable[[str], Candidate]


@pytest.fixture(scope="session")
def of_kind(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    """Make a real candidate on few flights for a kind of target, once.

    pytest keeps only one of a fixture's parameters, and would make each again for the next file.
    """
    return cache(lambda kind: run_steps(few_flights, kind, tmp_path_factory.mktemp(kind)))


@pytest.fixture(scope="session")
def binary(of_kind: Kinds) -> Candidate:
    return of_kind("binary")


@pytest.fixture(scope="session")
def regression(of_kind: Kinds) -> Candidate:
    return of_kind("regression")


@pytest.fixture(scope="session", params=TARGETS)
def candidate(request: pytest.FixtureRequest, of_kind: Kinds) -> Candidate:
    return of_kind(request.param)


@pytest.fixture(scope="session")
def reports(of_kind: Kinds) -> Callable[[str], dict[str, str]]:
    return cache(lambda kind: draw_report(of_kind(kind)))


@pytest.fixture(scope="session")
def report(candidate: Candidate, reports: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return reports(candidate.plan.definition.target.kind)
