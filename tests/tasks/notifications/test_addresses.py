"""Addresses: those of a definition and of the environment, with labels that hold no secret."""

from datetime import timedelta

import pytest
from tables import Project

from tasks.notifications.addresses import (
    all_addresses,
    find_addresses,
    find_section,
    given_addresses,
)

TEXT = """
name = "churn"
sources.t = "t.csv"
target = { value = "left", kind = "binary" }
notify = { to = ["slack-webhook/team"], remind = "2h" }
"""


@pytest.fixture
def churn(made: Project) -> str:
    folder = made.folder / "deployments"
    folder.mkdir(exist_ok=True)
    (folder / "churn.toml").write_text(TEXT)
    (folder / "damaged.toml").write_text("name =")
    return "churn"


def test_definition_and_environment_name_addresses_together_and_each_once(
    churn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_NOTIFY", "slack-webhook/team json://here/secret-path")
    monkeypatch.setenv("PERENNIAL_ALERTS_URL", "http://here/secret-hook")
    labels = ["slack-webhook/team", "PERENNIAL_NOTIFY 2 (json://)", "PERENNIAL_ALERTS_URL"]
    assert [each.label for each in find_addresses(churn)] == labels
    assert [each.label for each in all_addresses()] == labels
    assert [each.label for each in find_addresses("unknown")] == labels
    assert "secret" not in repr(find_addresses(churn))


def test_definition_that_cannot_be_read_names_nobody_and_is_told(
    churn: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert find_section(churn).remind == timedelta(hours=2)
    assert find_section("unknown").remind == timedelta(days=1)
    assert caplog.text == ""
    assert find_section("damaged").to == ()
    assert "nobody whom it names is told: " in caplog.text
    assert "damaged.toml: is not valid TOML" in caplog.text


def test_word_that_is_no_address_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOTIFY", "secret-token")
    (address,) = given_addresses()
    assert address.label == "PERENNIAL_NOTIFY 1"
    assert address.problem.startswith("is neither a block")
    assert "secret" not in address.problem


def test_nobody_is_told_where_nothing_is_set(made: Project) -> None:
    assert all_addresses() == ()
