"""Where a system is, as its variables say."""

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.core.errors import DefinitionError
from tasks.processes.settings import (
    PASSWORDS,
    is_free,
    is_loopback,
    make_password,
    settle_environment,
    settle_variables,
)
from tasks.storage.store import open_store


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ENV", "ROOT", "HOST", "UI_PORT", "SERVE_PORT", "PAGE_PORT"):
        monkeypatch.delenv(f"PERENNIAL_{name}", raising=False)
    for name in ("PREFECT_HOME", "PREFECT_API_URL", *PASSWORDS):
        monkeypatch.delenv(name, raising=False)


def test_environments_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settle_environment()
    monkeypatch.setenv("PERENNIAL_ENV", "staging")
    with socket.create_server(("127.0.0.1", 0)):
        other = settle_environment()
    assert usual.root == str(tmp_path / ".perennial")
    assert other.root == open_store().root == str(tmp_path / ".perennial-staging")
    for part in ("folder", "root", "home", "ui_port", "serve_port", "page_port", "keeper"):
        assert getattr(usual, part) != getattr(other, part)


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "7")
    monkeypatch.setenv("PERENNIAL_UI_PORT", "4711")
    found = settle_variables(settle_environment())
    assert found["PREFECT_WORKER_QUERY_SECONDS"] == "7"
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4711/api"
    assert found["PERENNIAL_PAGE_PORT"] == "4811"  # which goes with the other one
    monkeypatch.setenv("PERENNIAL_PAGE_PORT", "4712")
    assert settle_environment().page_port == 4712


def test_password_is_made_once_and_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    here = settle_environment()
    with ThreadPoolExecutor(8) as many:
        (made,) = set(many.map(make_password, [here] * 8))
    assert stat.S_IMODE(here.password.stat().st_mode) == 0o600
    assert [each.name for each in here.folder.iterdir()] == ["password"]
    assert len(made) > 30
    found = settle_variables(here)
    assert [found[each] for each in PASSWORDS] == [made, made]
    assert found["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == here.ui
    assert made not in here.model_dump_json()
    monkeypatch.setenv(PASSWORDS[0], "ada:secret")
    assert [settle_variables(here)[each] for each in PASSWORDS] == ["ada:secret"] * 2
    monkeypatch.setenv(PASSWORDS[1], "eve:other")  # for a server on another machine
    assert settle_variables(here)[PASSWORDS[1]] == "eve:other"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "machine.example"])
def test_address_that_others_reach_needs_a_password(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_HOST", host)
    for given in ("", None):
        if given is not None:
            monkeypatch.setenv(PASSWORDS[0], given)
        with pytest.raises(DefinitionError, match="is reached by others: set PREFECT_SERVER_API_A"):
            settle_variables(settle_environment())
    monkeypatch.setenv(PASSWORDS[0], "ada:secret")
    assert settle_variables(settle_environment())[PASSWORDS[1]] == "ada:secret"
    assert not is_loopback(host)
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PERENNIAL_ENV", "../x", "small letters"),
        ("PERENNIAL_UI_PORT", "http", "PERENNIAL_UI_PORT=http: must be a port"),
        ("PERENNIAL_SERVE_PORT", "70000", "must be a port"),
    ],
)
def test_wrong_setting_is_named(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(DefinitionError, match=said):
        settle_environment()


@pytest.mark.parametrize(
    "root", ["models/staging", "models/nonprod", "models/non-prod", "models/prod2"]
)
def test_root_of_another_environment_is_refused(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_ENV", "prod")
    monkeypatch.setenv("PERENNIAL_ROOT", root)
    for refuse in (settle_environment, open_store):
        with pytest.raises(DefinitionError, match="is no root of the environment 'prod'"):
            refuse()


@pytest.mark.parametrize("root", ["models/prod", "prod/models", "shared/.perennial-prod"])
def test_root_that_names_its_environment_is_taken(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ENV", "prod")
    monkeypatch.setenv("PERENNIAL_ROOT", root)
    assert settle_environment().root.endswith(root)


def test_port_that_is_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)
