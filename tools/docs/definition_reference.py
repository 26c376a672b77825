"""The reference of the definition file: every key with its type, default and words.

All of it is read off the pydantic models that refuse a wrong definition, so that nothing in it can
be out of date.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tasks.core.data_sections import Section
from tasks.core.definition import Definition
from tasks.core.durations import write_duration

_HEAD = """# Keys of the definition

Every key of a definition file, as the code that reads it knows them: a table for each section.
[The definition file](../definition.md) says how keys play together. Durations are written `30m`,
`6h`, `180d` or `2w`. A key without a default has to be given.
"""
_BOUNDS = {
    "minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}",
}  # fmt: skip
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def describe_definition() -> str:
    """Write the page: a table of keys for each section, in the order of the file."""
    schema = Definition.model_json_schema()
    parts = [_HEAD]
    for title, model in walk(Definition, ""):
        said = f"{_words(model.__doc__)}\n\n" if model.__doc__ else ""
        known = schema if model is Definition else schema["$defs"][model.__name__]
        rows = "\n".join(_row(model, name, known["properties"][name]) for name in _keys(model))
        parts.append(f"## {title}\n\n{said}| key | type | default | |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def walk(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Give each section's title and model, the whole file first."""
    yield (f"`[{path}]`" if path else "The file"), model
    for name, field in model.model_fields.items():
        inner = _section_of(field.annotation)
        if inner is not None:
            below = f"{path}.{name}".lstrip(".")
            yield from walk(inner, below if field.annotation is inner else f"{below}.NAME")


def _keys(model: type[BaseModel]) -> list[str]:
    """List the keys of a section that are no sections themselves."""
    return [
        name for name, field in model.model_fields.items() if _section_of(field.annotation) is None
    ]


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Give the section that a key is, or that each name below it is; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for each in get_args(annotation) if (found := _section_of(each))), None)


def _row(model: type[BaseModel], name: str, schema: dict[str, Any]) -> str:
    field = model.model_fields[name]
    kinds = _types_in(field.annotation)
    either = "share or duration" if float in kinds else "duration"
    kind = either if timedelta in kinds else describe_type(schema)
    cells = (f"`{name}`", kind, describe_default(field), _words(field.description))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _types_in(annotation: Any) -> set[Any]:
    """Give an annotation and all that it is made of."""
    return {annotation}.union(*map(_types_in, get_args(annotation)))


def describe_type(schema: dict[str, Any]) -> str:
    """Say in words what values a key takes.

    >>> describe_type({"type": "integer", "minimum": 1})
    'whole number ≥ 1'
    >>> describe_type({"type": "array", "items": {"type": "string"}})
    'list of text'
    """
    if choices := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return " or ".join(f'`"{each}"`' for each in choices)
    if either := schema.get("anyOf"):
        return " or ".join(describe_type(each) for each in either if each.get("type") != "null")
    if pair := schema.get("prefixItems"):
        return f"[{', '.join(describe_type(each) for each in pair)}]"
    if schema.get("type") == "array":
        return f"list of {describe_type(schema['items'])}"
    if schema.get("type") == "object":
        below = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
        of = next((each for each in below if isinstance(each, dict)), {})
        return f"names, each with {describe_type(of)}"
    bounds = [said.format(schema[key]) for key, said in _BOUNDS.items() if key in schema]
    return " ".join([_TYPES.get(str(schema.get("type")), "value"), " and ".join(bounds)]).strip()


def describe_default(field: Any) -> str:
    """Say what a key is when it is left out, as the file would write it."""
    if field.is_required():
        return ""
    value = field.default
    assert value is not PydanticUndefined, "sections give plain defaults"
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, timedelta):
        return f"`{write_duration(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(text: str | None) -> str:
    return " ".join((text or "").split())
