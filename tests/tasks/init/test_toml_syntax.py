"""What is written is TOML, and is read as what was meant."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.init.toml_syntax import array, bare_key, comment, inline_table, lay_out, multiline, quote


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    written = f"{bare_key(text)} = {quote(text)}\nblock = {multiline('x' + text)}"
    assert tomllib.loads(written) == {text: text, "block": "x" + text} | {
        "block": "x" + text.replace("\r\n", "\n")
    }


def test_tables_and_long_lists_are_read_as_they_were_written() -> None:
    table = {"uri": "a.csv", "types": {"x y": "text"}, "rows": 3, "names": ("a", "b")}
    assert tomllib.loads(f"t = {inline_table(table)}")["t"] == table | {"names": ["a", "b"]}
    words = tuple(f"word {number}" for number in range(40))
    assert tomllib.loads(f"a = {array(words)}")["a"] == list(words)
    assert max(map(len, array(words).splitlines())) <= 101


@pytest.mark.parametrize(("said", "lines"), [("why", 2), ("why " * 30, 4)])
def test_comment_stands_beside_its_line_or_above(said: str, lines: int) -> None:
    written = list(lay_out([("a = 1", said), ("bb = 22", "short")]))
    assert len(written) == lines
    assert written[-1].startswith("bb = 22  # short")
    assert all(line.startswith("# ") for line in comment("words " * 50))
