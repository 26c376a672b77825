"""The reference says all that the code knows: each key, each command and option, each function."""

import re
from typing import Any

import pytest

from tasks.core.definition import Definition
from tools.docs.command_reference import describe_commands, find_commands
from tools.docs.definition_reference import describe_definition, describe_type, walk
from tools.docs.python_reference import FUNCTIONS, describe_functions, find_function

KEYS = describe_definition()


def row(section: str, key: str) -> list[str]:
    """Give the cells of a key's row."""
    part = KEYS.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^\| `{key}` \| (.*) \|$", part, re.MULTILINE)
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found)]


def test_each_section_has_a_table_of_its_own() -> None:
    titles = re.findall(r"^## (.*)$", KEYS, re.MULTILINE)
    assert titles == [title for title, _ in walk(Definition, "")]
    assert {"`[sources.NAME]`", "`[checks.columns.NAME]`", "`[training]`"} <= set(titles)


@pytest.mark.parametrize(
    ("section", "key", "kind", "default"),
    [
        ("`[training]`", "rounds", "whole number ≥ 1 and ≤ 100000", "`1000`"),
        ("`[training]`", "refit", "true or false", "`true`"),
        ("`[target]`", "kind", '`"binary"` or `"multiclass"` or `"regression"`', ""),
        ("`[training]`", "holdout", "share or duration", "`0.2`"),
        ("`[serving]`", "log_keep", "duration", "`90d`"),
        ("`[serving]`", "log_without", "list of text", "none"),
        ("`[extract]`", "window", "duration", "none"),
        ("`[checks]`", "label_rate", "[number ≥ 0 and ≤ 1, number ≥ 0 and ≤ 1]", "none"),
    ],
)
def test_a_key_has_its_type_and_its_default(
    section: str, key: str, kind: str, default: str
) -> None:
    assert row(section, key)[:2] == [kind, default]


def test_every_key_has_words() -> None:
    rows = [line for line in KEYS.splitlines() if line.startswith("| `")]
    assert [line for line in rows if line.endswith("|  |")] == []


def test_either_of_two_types_is_said() -> None:
    either: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"const": "auto"}, {"type": "null"}]}
    assert describe_type(either) == 'whole number or `"auto"`'


def test_each_command_and_option_is_there() -> None:
    page = describe_commands()
    for name, command in find_commands().items():
        part = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        assert part.startswith(f"\n{' '.join(command.help.split())}\n")
        for param in command.params:
            names = param.opts if param.param_type_name == "option" else [param.name.upper()]
            assert all(f"`{each}`" in part for each in names), (name, param.name)


def test_each_function_is_shown_with_its_import_and_its_words() -> None:
    page = describe_functions()
    for address in (each for some in FUNCTIONS.values() for each in some):
        module, _, name = address.rpartition(".")
        assert f"from {module} import {name}\n\n{name}(" in page


def test_a_function_that_is_gone_ends_the_build() -> None:
    with pytest.raises(KeyError):
        find_function("flows.retrain.no_such_function")
