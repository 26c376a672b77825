"""The reference of the functions that the command line itself calls: signature and docstring.

griffe reads them off the source: nothing is imported, so that nothing heavy is loaded.
"""

import inspect
from functools import cache
from pathlib import Path

import griffe

REPOSITORY = Path(__file__).parents[2]
# In the order of a model's life. A name that is no longer there ends the build.
FUNCTIONS = {
    "Define": (
        "tasks.init.propose.draft_definition",
        "tasks.core.definition_file.load_definition",
        "tasks.core.definition.parse_definition",
        "tasks.init.definition_schema.definition_schema",
    ),
    "Run a flow": (
        "flows.retrain.retrain",
        "flows.release.release",
        "flows.score.score",
        "flows.monitor.monitor",
        "flows.materialise.materialise",
        "flows.backtest.backtest",
        "flows.drill.drill",
    ),
    "Look at the registry": (
        "tasks.storage.store.open_store",
        "tasks.registry.versions.list_models",
        "tasks.registry.versions.get_version",
        "tasks.registry.overview.describe_model",
        "tasks.registry.overview.describe_version",
        "tasks.registry.overview.describe_history",
    ),
    "Keep it in order": (
        "tasks.maintenance.reproduce.reproduce_version",
        "tasks.maintenance.doctor.diagnose",
    ),
}
_HEAD = """# Python functions

What the command line calls, and you may call from Python, too: plain functions of plain values. A
flow (`retrain`, `release`, …) is a Prefect flow, and runs wherever you call it. What is refused is
raised as `tasks.core.errors.PerennialError`, whose text is what the command line would print.
"""


def describe_functions() -> str:
    """Write the page: each function's import, signature and docstring."""
    parts = [_HEAD]
    for title, addresses in FUNCTIONS.items():
        parts += [f"## {title}\n", *(describe(find_function(each)) for each in addresses)]
    return "\n".join(parts)


def find_function(address: str) -> griffe.Function:
    """Read a function off the source; an error where the address leads to none."""
    package, _, path = address.partition(".")
    found = _read(package)[path]
    if not isinstance(found, griffe.Function) or found.docstring is None:
        raise TypeError(f"{address} is no function with a docstring")
    return found


@cache
def _read(package: str) -> griffe.Object:
    loader = griffe.GriffeLoader(search_paths=[REPOSITORY], allow_inspection=False)
    found = loader.load(package)
    assert isinstance(found, griffe.Object)
    return found


def describe(function: griffe.Function) -> str:
    """Write one function's part of the page."""
    assert function.docstring is not None
    text = inspect.cleandoc(function.docstring.value)
    said, _, example = text.partition("\n>>> ")
    shown = f"\n```pycon\n>>> {example}\n```\n" if example else ""
    origin = f"from {function.module.path} import {function.name}"
    return (
        f"### `{function.name}`\n\n```python\n{origin}\n\n{signature(function)}\n```\n\n"
        f"{said.strip()}\n{shown}"
    )


def signature(function: griffe.Function) -> str:
    """Write a function's head, one parameter a line where one line is too short.

    Annotations are as the source has them.
    """
    parts, seen_star = [], False
    for each in function.parameters:
        if each.kind is griffe.ParameterKind.keyword_only and not seen_star:
            parts.append("*")
            seen_star = True
        note = f": {each.annotation}" if each.annotation else ""
        equals = " = " if note else "="
        parts.append(f"{each.name}{note}{f'{equals}{each.default}' if each.default else ''}")
    answer = f" -> {function.returns}" if function.returns else ""
    line = f"{function.name}({', '.join(parts)}){answer}"
    if len(line) <= 88:
        return line
    return f"{function.name}(\n    " + ",\n    ".join(parts) + f",\n){answer}"
