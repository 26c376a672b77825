"""A service that doubles, a client of it, and a registry with two versions, the older released."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from doubling import Service, doubling_service

from tasks.registry.versions import Published, get_version
from tasks.serving.bento_client import Caller
from tasks.storage.store import Store, open_store

if TYPE_CHECKING:
    from conftest import Released


@pytest.fixture
def service() -> Iterator[type[Service]]:
    with doubling_service() as running:
        yield running


@pytest.fixture
def caller(service: Any) -> Iterator[Caller]:
    opened = Caller(service.port)
    yield opened
    opened.close()


@pytest.fixture
def store(released: "Released") -> Store:
    return open_store()


@pytest.fixture
def newer(released: "Released", store: Store) -> Published:
    return get_version(store, "flight-delay", released.newer)
