"""The definition's file: found by its model's name, and read or refused in one line."""

from pathlib import Path

import pytest
from tables import define

from tasks.core.definition_file import find_definition, load_definition, project_of
from tasks.core.errors import DefinitionError


def test_file_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "made.toml"
    path.write_bytes(b"\xef\xbb\xbf" + define().encode())
    assert load_definition(path).name == "made"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "name: is missing"),
        (b"[target", "is not valid TOML: Expected"),
        (b"a = 1\na = 2\n", "is not valid TOML: Cannot overwrite"),
        ("# é".encode("latin-1"), "cannot be read: .*save it as UTF-8"),
    ],
    ids=["empty", "syntax", "twice", "latin-1"],
)
def test_unreadable_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "made.toml"
    path.write_bytes(content)
    with pytest.raises(DefinitionError, match=f"made.toml: {said}"):
        load_definition(path)


def test_missing_definition_names_the_nearest_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "flight_delay.toml").write_text(define())
    assert find_definition("flight-delay").name == "flight_delay.toml"
    with pytest.raises(DefinitionError, match=r"no model named 'fligth-delay'.*'flight-delay'"):
        find_definition("fligth-delay")
    with pytest.raises(DefinitionError, match="there is no such definition file"):
        find_definition("deployments/other.toml")


def test_relative_sources_start_above_the_deployments_folder(tmp_path: Path) -> None:
    assert project_of(tmp_path / "deployments" / "made.toml") == tmp_path
    assert project_of(tmp_path / "made.toml") == tmp_path
