"""A service that answers rightly, unless a test has it answer otherwise, and a client of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from doubling import Service, doubling_service

from tasks.serving.bento_client import Caller


@pytest.fixture
def service() -> Iterator[type[Service]]:
    with doubling_service() as running:
        yield running


@pytest.fixture
def caller(service: Any) -> Iterator[Caller]:
    opened = Caller(service.port)
    yield opened
    opened.close()
