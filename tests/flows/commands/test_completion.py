"""What is completed: names that could be a model's or a version's, from files alone."""

import os
from pathlib import Path

import pytest
import typer

from flows.commands.completion import complete_models, complete_versions


@pytest.fixture
def context() -> typer.Context:
    from typer.main import get_command

    app = typer.Typer()
    app.command()(lambda: None)
    return typer.Context(get_command(app))


def test_models_are_those_of_the_folder_and_of_the_root(project: Path) -> None:
    for name in ("sales", "Not-A-Name"):
        Path(os.environ["PERENNIAL_ROOT"], "models", name).mkdir(parents=True)
    assert complete_models("") == ["flight-delay", "sales"]
    assert complete_models("fl") == ["flight-delay"]


def test_versions_are_those_of_the_model_newest_first(
    project: Path, context: typer.Context
) -> None:
    for name in ("20130101T000000Z-aa", "20140101T000000Z-bb", "ledger"):
        Path(os.environ["PERENNIAL_ROOT"], "models", "sales", name).mkdir(parents=True)
    context.params = {"model": "sales"}
    assert complete_versions(context, "") == ["20140101T000000Z-bb", "20130101T000000Z-aa"]
    assert complete_versions(context, "2013") == ["20130101T000000Z-aa"]
    context.params = {"model": "../sales"}
    assert complete_versions(context, "") == []


def test_root_that_cannot_be_opened_completes_to_what_is_defined_here(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "file").touch()
    monkeypatch.setenv("PERENNIAL_ROOT", str(project / "file"))
    assert complete_models("") == ["flight-delay"]
