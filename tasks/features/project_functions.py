"""Features that functions of the project's own give: called once, when a run is planned.

What they give, Polars expressions, is all that training and serving go by. Responsible for calling
them in processes of their own, and for what a version keeps of their code.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.core.data_sections import PythonFeature
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DefinitionError, harmless, nearest
from tasks.core.expression_tree import BuiltExpression
from tasks.core.names import OURS

FEATURE_CODE = "feature_code.json"  # a version's file of it
_SECONDS = 60.0
# Two processes in which sets have another order, and which draw other numbers at random.
_SEEDS = ("1", "2")


class FeatureCode(Frozen):
    """What the project's functions gave, their modules' sources by path, and packages they use."""

    built: dict[str, BuiltExpression] = Field(default={})
    sources: dict[str, str] = Field(default={})
    packages: dict[str, str] = Field(default={})

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each module."""
        return {path: digest_source(text) for path, text in self.sources.items()}

    @property
    def key(self) -> tuple[str, ...]:
        """What a version's name depends on; nothing where there is no such function."""
        trees = {name: each.tree for name, each in self.built.items()}
        return (json.dumps([self.digests, trees], sort_keys=True),) if trees else ()


def digest_source(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def call_functions(definition: Definition, project: Path, origin: str) -> FeatureCode:
    """Call the functions that [features] names, and give their expressions and sources.

    DefinitionError names the feature, and the file and line, of the first that gives none.
    """
    asked = {
        name: feature
        for name, feature in (definition.features or {}).items()
        if isinstance(feature, PythonFeature)
    }
    if not asked:
        return FeatureCode()
    for name, feature in asked.items():
        _refuse_module(feature.python, f"{origin}: [features] {name}")
    first, second = _ask_twice(asked, project, origin)
    for answer in (first, second):
        if "said" in answer:
            raise DefinitionError(_explain(answer, asked, origin))
    for name, built in first["built"].items():
        if built["tree"] != second["built"][name]["tree"]:
            raise DefinitionError(
                f"{origin}: [features] {name}: {built['place']}: gives another expression each "
                "time: it draws at random, reads a clock, or goes by the order of a set"
            )
    return FeatureCode(
        built=first["built"],
        sources=first["sources"],
        packages=_find_packages(first["modules"]),
    )


def _refuse_module(reference: str, where: str) -> None:
    """Refuse a module whose name another one has that is imported before it."""
    top = reference.partition(":")[0].partition(".")[0]
    for names, whose in ((OURS, "Perennial's"), (sys.stdlib_module_names, "Python's")):
        if top in names:
            raise DefinitionError(
                f"{where}: {top!r} is {whose} own module; give yours another name"
            )


def _ask_twice(
    asked: Mapping[str, PythonFeature], project: Path, origin: str
) -> tuple[dict[str, Any], ...]:
    folders = [str(each.resolve()) for each in (project, project / "src") if each.is_dir()]
    functions = {name: (feature.python, feature.columns) for name, feature in asked.items()}
    question = json.dumps({"folders": folders, "functions": functions})
    running = [_start(project, seed, question) for seed in _SEEDS]
    try:
        return tuple(_read(process, origin) for process in running)
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _start(project: Path, seed: str, question: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tasks.features.function_process"],
        cwd=project,
        env=os.environ | {"PYTHONHASHSEED": seed},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdin is not None
    process.stdin.write(question)
    process.stdin.close()
    process.stdin = None
    return process


def _read(process: subprocess.Popen[str], origin: str) -> dict[str, Any]:
    try:
        answer, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise DefinitionError(
            f"{origin}: [features]: its Python functions are not done within {_SECONDS:.0f} s"
        ) from None
    if not answer:
        said = harmless((errors.strip().splitlines() or ["nothing was said"])[-1])
        raise DefinitionError(f"{origin}: [features]: its Python functions end the process: {said}")
    found: dict[str, Any] = json.loads(answer)
    return found


def _explain(answer: Mapping[str, Any], asked: Mapping[str, PythonFeature], origin: str) -> str:
    feature, place = answer["feature"], answer["place"] and f"{answer['place']}: "
    reference = asked[feature].python
    hint = f"; {nearest(reference.partition(':')[2], known)}" if (known := answer["known"]) else ""
    said = harmless(" ".join(answer["said"].split()))
    return f"{origin}: [features] {feature}: {reference}: {place}{said}{hint}"


def _find_packages(modules: list[str]) -> dict[str, str]:
    """Give the versions of the packages that the project's modules import."""
    known = packages_distributions()
    names = {known[module][0] for module in modules if module in known}
    return find_versions(sorted(names))


def find_versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of those packages that are installed."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = installed_version(name)
    return found
