"""TOML syntax: strings, tables and lists, and comments aligned beside their lines."""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence

_WIDTH, _CODE_WIDTH, NAME_WIDTH = 100, 44, 20
Line = tuple[str, str]  # what TOML reads, and the comment beside it


def align(features: Sequence[tuple[str, str, str]]) -> list[Line]:
    """Write names, SQL and comments as lines whose equals signs stand below each other."""
    width = min(NAME_WIDTH, max(len(bare_key(name)) for name, _, _ in features))
    return [(f"{bare_key(name):<{width}} = {quote(sql)}", said) for name, sql, said in features]


def comment(text: str) -> list[str]:
    """Write a text as lines of comment, 100 characters wide at most."""
    return [f"# {line}" for line in textwrap.wrap(_printable(text), _WIDTH - 2)]


def lay_out(lines: Sequence[Line]) -> Iterator[str]:
    """Align the comments beside their lines, and put one that is too long above its line."""
    short = [len(code) for code, said in lines if said and len(code) <= _CODE_WIDTH]
    width = max(short, default=0)
    for code, said in lines:
        line = f"{code:<{width}}  # {_printable(said)}" if said else code
        if len(line) > _WIDTH and said:
            yield from comment(said)
            line = code
        yield line


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def quote(text: str) -> str:
    """Write a TOML string, in the quotes that need no escapes where there are such.

    >>> print(quote('"Unit price" > 3'))
    '"Unit price" > 3'
    """
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def multiline(text: str) -> str:
    """Write a TOML string over several lines, where it can be read so."""
    plain = all(sign.isprintable() or sign == "\n" for sign in text)
    return f"'''\n{text}'''" if plain and "'''" not in text else quote(text)


def bare_key(name: str) -> str:
    """Write a TOML key, without quotes where it needs none."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote(name)


def inline_table(table: dict[str, object]) -> str:
    """Write an inline table of strings, numbers, tuples and tables.

    >>> inline_table({"nulls": 0.05, "values": ("a", "b c")})
    '{ nulls = 0.05, values = ["a", "b c"] }'
    """
    line = ", ".join(f"{bare_key(key)} = {_value(value)}" for key, value in table.items())
    return f"{{ {line} }}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return inline_table(value)
    return array(value) if isinstance(value, tuple) else repr(value)


def array(texts: Sequence[str]) -> str:
    """Write a list of texts, over several lines where one is too long."""
    line = ", ".join(map(quote, texts))
    if len(line) <= _WIDTH // 2:
        return f"[{line}]"
    lines, room = [""], _WIDTH - 4
    for text in map(quote, texts):
        if len(lines[-1]) + len(text) > room:
            lines.append("")
        lines[-1] += f"{text}, "
    return "[\n" + "".join(f"    {each.rstrip()}\n" for each in lines) + "]"
