"""Where a system is, as its variables say."""

import socket
from pathlib import Path

import pytest

from tasks.environment import is_free, settle_environment, settle_variables
from tasks.errors import DefinitionError
from tasks.store import open_store


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ENV", "ROOT", "HOST", "UI_PORT", "SERVE_PORT"):
        monkeypatch.delenv(f"PERENNIAL_{name}", raising=False)
    for name in ("PREFECT_HOME", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)


def test_environments_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settle_environment()
    monkeypatch.setenv("PERENNIAL_ENV", "staging")
    with socket.create_server(("127.0.0.1", 0)):
        other = settle_environment()
    assert usual.root == str(tmp_path / ".perennial")
    assert other.root == open_store().root == str(tmp_path / ".perennial-staging")
    for part in ("folder", "root", "home", "ui_port", "serve_port", "keeper"):
        assert getattr(usual, part) != getattr(other, part)


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "7")
    monkeypatch.setenv("PERENNIAL_UI_PORT", "4711")
    found = settle_variables(settle_environment())
    assert found["PREFECT_WORKER_QUERY_SECONDS"] == "7"
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4711/api"


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
