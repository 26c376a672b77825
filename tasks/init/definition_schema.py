"""JSON Schema of the definition file: editors complete and check by it, offline.

Responsible for the schema (draft 2020-12), and for the file beside the definitions that holds it.
What it cannot say, `perennial` refuses all the same. Not responsible for the keys, whose
descriptions, defaults and limits are the models' (`core`), nor for what keys ask of each other
(`schema_rules`).
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tasks.core.data_sections import WORD
from tasks.core.definition import Definition
from tasks.core.definition_file import DEFINITIONS
from tasks.core.durations import write_duration
from tasks.init.schema_rules import RULES, URI

SCHEMA_FILE = ".perennial.schema.json"
POINTER = f"#:schema ./{SCHEMA_FILE}"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
# Letters of all alphabets, as SQL takes them: \w means ASCII alone to some of those who read this.
_WORD = r"^[A-Za-z_][^\x00-/:-@\[-^`{-\x7f\s]*$"


class _Toml(GenerateJsonSchema):
    """A generator for values that come from TOML: it has no null, and durations are text."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found, default = super().default_schema(schema), schema.get("default")
        if isinstance(default, timedelta):
            return {**found, "default": write_duration(default)}
        if default is None or "$ref" in found:
            found.pop("default", None)
        return found

    def get_title_from_name(self, name: str) -> str:
        return name


def definition_schema() -> dict[str, Any]:
    """Give the JSON Schema of a definition file.

    >>> definition_schema()["properties"]["name"]["type"]
    'string'
    """
    found = Definition.model_json_schema(schema_generator=_Toml)
    sections = found["$defs"]
    # A bare path stands for a source that has it as uri.
    sections["Source"] |= {"type": ["string", "object"], "pattern": URI["files"]}
    sections["Source"]["properties"]["uri"] |= {"allOf": [{"pattern": URI["any"]}, URI["secret"]]}
    for section, name in ((sections["Extract"], "key"), (sections["FeatureTable"], "entity")):
        section["properties"][name]["uniqueItems"] = True
    for name, rules in RULES.items():
        (found if name == "Definition" else sections[name])["allOf"] = rules
    tidied: dict[str, Any] = _tidy(found)
    return {"$schema": _DRAFT, **tidied, "title": "Perennial's definition of a model"}


def _tidy(node: Any) -> Any:
    """Write what pydantic says so that readers of older drafts understand it, too."""
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: _tidy(value) for key, value in node.items()}
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(found["description"].split())
    if "prefixItems" in found:  # a pair of the same kind
        found["items"] = found.pop("prefixItems")[0]
    if isinstance(patterns := found.get("patternProperties"), dict):
        found["patternProperties"] = {
            _WORD if pattern == WORD else pattern: each for pattern, each in patterns.items()
        }
        found["additionalProperties"] = False
    return found


def write_schema() -> Path:
    """Put the schema beside the definitions, where their first line points to."""
    path = DEFINITIONS / SCHEMA_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(definition_schema(), indent=1) + "\n", encoding="utf-8")
    return path
