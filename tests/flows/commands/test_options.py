"""Options that several commands share: times, and a model by its name or its file."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import pytest
import typer
from tables import define
from typer.testing import CliRunner

from flows.commands.options import name_of, time_option
from tasks.core.errors import DefinitionError

app = typer.Typer()


@app.command()
def show(since: Annotated[datetime | None, time_option("--since", "From when on.")] = None) -> None:
    print(since.isoformat() if since else "none")


def ask(*words: str) -> str:
    return CliRunner().invoke(app, words, catch_exceptions=False).output.strip()


def test_time_is_in_utc_unless_it_has_an_offset() -> None:
    assert ask() == "none"
    assert ask("--since", "2013-10-01") == datetime(2013, 10, 1, tzinfo=UTC).isoformat()
    east = datetime(2013, 10, 1, 6, tzinfo=timezone(timedelta(hours=2)))
    assert ask("--since", east.isoformat()) == east.isoformat()


@pytest.mark.parametrize("text", ["soon", "", "2013-13-01"])
def test_what_is_no_time_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(DefinitionError, match=f"--since '{text}' is no time; write 2013-10-01"):
        ask("--since", text)


def test_model_is_named_by_its_name_or_by_its_file(tmp_path: Path) -> None:
    assert name_of("flight-delay") == "flight-delay"
    path = tmp_path / "other.toml"
    path.write_text(define())
    assert name_of(str(path)) == "made"
