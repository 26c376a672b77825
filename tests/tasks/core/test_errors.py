"""Messages: one line, without secrets and without what steers a terminal."""

import pytest
from pydantic import ValidationError

from tasks.core.data_sections import Source
from tasks.core.errors import (
    DataRefused,
    DefinitionError,
    PerennialError,
    explain_value,
    first_line,
    harmless,
    hide_password,
    in_definition,
    nearest,
)


def test_exit_codes_are_those_of_the_command_line() -> None:
    kinds = (PerennialError, DefinitionError, DataRefused)
    assert [kind("").exit_code for kind in kinds] == [1, 2, 3]


def test_nearest_name_is_meant_or_all_are_told() -> None:
    assert nearest("Prize", ["price", "size"]) == "did you mean 'price'?"
    assert nearest("zz", ["price", "size"]) == "known: 'price', 'size'"
    assert nearest("zz", ["price"], "write one") == "write one"
    assert nearest("zz", []) == "there are none"
    assert nearest("zz", [f"a{number}" for number in range(13)]).endswith(", …")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://ann:se@cret@db/x now", "at postgresql://ann:***@db/x now"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("host=db PGpassword=secret user=ann", "host=db PGpassword=*** user=ann"),
    ],
)
def test_password_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert hide_password(text) == shown


def test_what_steers_a_terminal_is_written_out() -> None:
    assert harmless("red \x1b[31m\u202e") == r"red \x1b[31m\u202e"
    assert harmless("tab\tand line\n") == "tab\tand line\n"
    assert first_line(ValueError("one\x07\ntwo")) == r"one\x07"
    assert first_line(ValueError()) == "ValueError"


def test_file_is_named_before_the_message() -> None:
    with (
        pytest.raises(DefinitionError, match=r"^made.toml: \[gate\] x$"),
        in_definition("made.toml"),
    ):
        raise DefinitionError("[gate] x")


def test_unknown_key_comes_first_with_the_nearest() -> None:
    with pytest.raises(ValidationError) as refusal:
        Source.model_validate({"uri": "a.csv", "seperator": ";", "partitions": "x"})
    said = explain_value(refusal.value, Source, {})
    assert said == "seperator: unknown key; did you mean 'separator'?"
