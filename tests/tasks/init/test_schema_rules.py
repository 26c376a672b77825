"""The rules stay within what readers of older drafts understand, and name only keys that exist."""

from collections.abc import Iterator
from typing import Any

from tasks.core import data_sections, definition, model_sections
from tasks.init.schema_rules import RULES

SINCE_DRAFT_7 = {
    "maxProperties",
    *("if", "then", "else", "not", "allOf", "anyOf", "oneOf", "type", "required", "properties"),
    *("const", "enum", "pattern", "minItems", "minProperties"),
}


def words(node: Any) -> Iterator[str]:
    """Give the keywords of a rule, without the names of keys."""
    if isinstance(node, list):
        for each in node:
            yield from words(each)
    for word, value in node.items() if isinstance(node, dict) else ():
        yield word
        yield from words([*value.values()] if word == "properties" else value)


def test_each_rule_is_about_a_section_that_there_is() -> None:
    known = {**vars(data_sections), **vars(model_sections), **vars(definition)}
    for name, rules in RULES.items():
        fields = known[name].model_fields
        for rule in rules:
            assert set(rule["then"].get("properties", {})) <= set(fields)
            assert set(words(rule)) <= SINCE_DRAFT_7
