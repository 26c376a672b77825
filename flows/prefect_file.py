"""`prefect.yaml`: each model's deployments, with the times that its definition gives.

A file that is there is changed by a round trip that keeps its comments and order. What a person
changed in an entry stays, but for its times. Not responsible for registering deployments with a
server (`flows.deployments`).
"""

import copy
import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DefinitionError, first_line
from tasks.core.schedule import check_zone

FILE = Path("prefect.yaml")
TEMPLATE = Path(__file__).with_name("templates") / "prefect.yaml"
_FLOWS = ("retrain", "release", "monitor", "materialise", "score")
_ITEM = re.compile(r"^deployments:.*\n(?: *(?:#.*)?\n)*( *)- ", re.MULTILINE)
_KEY = re.compile(r"^\w.*:\n(?: *(?:#.*)?\n)*( +)[^\s#-]", re.MULTILINE)
# Names that YAML takes for something else.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_TIMED = {"retrain", "monitor", "materialise"}


class FileChange(Frozen):
    """What a prefect.yaml becomes; `changes` says in words how that differs from what is there."""

    text: str
    changes: tuple[str, ...]


def plan_file(definitions: Mapping[str, Definition], path: Path = FILE) -> FileChange:
    """Bring the file's text into agreement with definitions; DefinitionError if it is broken."""
    text = _read(path) if path.exists() else empty_file()
    yaml, document = _load(text, path)
    entries, changes = document["deployments"], list[str]()
    for model, definition in definitions.items():
        check_zone(definition.schedule)
        named = [entry for entry in entries if entry.get("name") == model]
        ours = {flow: entry for entry in named if (flow := find_flow(entry))}
        for flow in sorted(_TIMED & set(ours)):
            changes += _set_time(ours[flow], flow, definition)
        changes += _add_missing(document, model, definition, ours)
    if not changes and path.exists():
        return FileChange(text=text, changes=())
    written = io.StringIO()
    yaml.dump(document, written)
    return FileChange(text=written.getvalue(), changes=tuple(changes))


def empty_file() -> str:
    """Give the text of a file without any model's deployments."""
    return TEMPLATE.read_text("utf-8").partition("  - name: MODEL")[0]


def write_file(change: FileChange, path: Path = FILE) -> None:
    """Put a changed text in the file's place, all at once."""
    if not change.changes:
        return
    try:
        handle, made = tempfile.mkstemp(dir=path.resolve().parent, prefix=".prefect-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(change.text)
        Path(made).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(made).replace(path.resolve())
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be written: {first_line(error)}") from error


def read_entries(path: Path = FILE) -> list[dict[str, Any]]:
    """Read the deployments as Prefect does: plain values, with all references followed."""
    text = _read(path)
    _load(text, path)
    document = YAML(typ="safe").load(text)
    usual = {step: document[step] for step in ("build", "push", "pull") if document.get(step)}
    return [usual | entry for entry in document.get("deployments") or []]


def find_flow(entry: Mapping[str, Any]) -> str:
    """Name an entry's flow where it is one of ours, and give nothing for a project's own."""
    module, _, function = str(entry.get("entrypoint")).rpartition(":")
    return function if module == f"flows.{function}" else ""


def name_entry(entry: Mapping[str, Any]) -> str:
    """Name a deployment as Prefect's commands do: FLOW/MODEL."""
    return f"{str(entry.get('entrypoint')).rpartition(':')[2]}/{entry.get('name')}"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path}: cannot be read: {first_line(error)}") from error


def _load(text: str, path: Path) -> tuple[YAML, CommentedMap]:
    """Parse a file and check its shape; DefinitionError with file and line."""
    try:
        yaml = YAML()
        yaml.preserve_quotes, yaml.width = True, 4096
        offset = _measure(_ITEM, text)
        yaml.indent(mapping=_measure(_KEY, text), sequence=offset + 2, offset=offset)
        document = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise DefinitionError(f"{where}: is not valid YAML: {error.problem}") from error
    except (YAMLError, ValueError) as error:
        raise DefinitionError(f"{path}: is not valid YAML: {first_line(error)}") from error
    if not isinstance(document, CommentedMap):
        raise DefinitionError(f"{path}:1: must be a table of keys, as `deployments:`")
    if document.get("deployments") is None:
        document["deployments"] = CommentedSeq()
    _check_entries(document, path)
    return yaml, document


def _measure(indented: re.Pattern[str], text: str) -> int:
    """Tell by how many spaces a file indents, from its first line that does; 2 if none does."""
    found = indented.search(text)
    return len(found[1]) if found else 2


def _check_entries(document: CommentedMap, path: Path) -> None:
    entries = document["deployments"]
    if not isinstance(entries, CommentedSeq):
        line = document.lc.key("deployments")[0] + 1
        raise DefinitionError(f"{path}:{line}: deployments must be a list")
    for place, entry in enumerate(entries):
        if not isinstance(entry, CommentedMap):
            line = entries.lc.item(place)[0] + 1
            raise DefinitionError(f"{path}:{line}: a deployment must be a table of keys")
        schedules = entry.get("schedules")
        rows = schedules if isinstance(schedules, list) else []
        if not isinstance(schedules, list | None) or not all(isinstance(x, dict) for x in rows):
            line = entry.lc.key("schedules")[0] + 1
            raise DefinitionError(f"{path}:{line}: schedules must be a list, as `- cron: …`")
    definitions = document.get("definitions")
    if definitions is not None and not isinstance(definitions, CommentedMap):
        line = document.lc.key("definitions")[0] + 1
        raise DefinitionError(f"{path}:{line}: definitions must be a table of keys")


def _read_template(model: str) -> CommentedMap:
    """Read the template's entries for a model, without blank lines: those are set anew."""
    plain = re.fullmatch(r"[a-z][a-z0-9-]*", model) and model not in _WORDS
    text = TEMPLATE.read_text("utf-8").replace(
        ": MODEL\n", f": {model if plain else repr(model)}\n"
    )
    head, mark, entries = text.replace("MODEL", model).partition("deployments:")
    return _load(head + mark + entries.replace("\n\n", "\n"), TEMPLATE)[1]


def _add_missing(
    document: CommentedMap, model: str, definition: Definition, ours: dict[str, Any]
) -> Iterator[str]:
    """Add the deployments that a model lacks: all to a new one, to others those with a time."""
    timed = {flow for flow, _ in definition.schedule.times()}
    wanted = [flow for flow in _FLOWS if flow != "materialise" or definition.tables]
    missing = [flow for flow in wanted if flow not in ours and (not ours or flow in timed)]
    template = _read_template(model)
    for entry in template["deployments"]:
        if (flow := find_flow(entry)) in missing:
            _refer_to_definitions(document, template, entry)
            time = list(_set_time(entry, flow, definition)) if flow in _TIMED else []
            _append(document["deployments"], entry)
            yield "; ".join([f"{flow}/{model} is new", *time])


def _refer_to_definitions(document: CommentedMap, template: CommentedMap, entry: Any) -> None:
    """Let an entry of the template refer to what the document defines by the same name."""
    for name, defined in template["definitions"].items():
        for key, value in entry.items():
            if value is defined:
                if document.get("definitions") is None:
                    place = list(document).index("deployments")
                    document.insert(place, "definitions", CommentedMap())
                entry[key] = document["definitions"].setdefault(name, copy.deepcopy(defined))


def _append(entries: CommentedSeq, entry: CommentedMap) -> None:
    entries.append(entry)
    if len(entries) > 1:
        entries.yaml_set_comment_before_after_key(len(entries) - 1, before="\n")


def _set_time(entry: CommentedMap, flow: str, definition: Definition) -> Iterator[str]:
    """Give an entry the one time that its definition says, or none."""
    cron = dict(definition.schedule.times()).get(flow)
    if flow == "materialise" and not definition.tables:
        cron = None
    zone, schedules = definition.schedule.time_zone, entry.get("schedules") or []
    named = f"{flow}/{definition.name}"
    if cron is None:
        if schedules:
            _move_comment(schedules[-1], list(schedules[-1])[-1], entry)
            entry["schedules"] = CommentedSeq()
            yield f"{named} runs at no time"
        return
    if [(each.get("cron"), each.get("timezone", "UTC")) for each in schedules] == [(cron, zone)]:
        return
    kept = schedules[0] if schedules and "cron" in schedules[0] else CommentedMap()
    kept |= {"cron": DoubleQuotedScalarString(cron), "timezone": zone}
    if not schedules:
        _move_comment(entry, "schedules", kept)
        entry["schedules"] = schedules = CommentedSeq([kept])
    del schedules[1:]
    schedules[0] = kept
    yield f"{named} runs at {cron!r} in {zone}"


def _move_comment(of: CommentedMap, key: str, to: CommentedMap) -> None:
    """Keep what stands after a value (as the line between two entries) when the value goes."""
    if comment := of.ca.items.pop(key, None):
        to.ca.items["schedules" if "schedules" in to else "timezone"] = comment
