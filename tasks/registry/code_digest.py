"""Digests of the code that makes models, and the versions of the libraries below it.

Responsible for which packages and libraries a version's name depends on: a change in any other,
such as the reports, leaves versions as they are. Not responsible for the rest of a version's name
(`versions.name_version`).
"""

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path

LIBRARIES = ("polars", "lightgbm", "numpy", "whylogs", "prefect", "pydantic", "altair")
# What makes a model.
_MAKERS = (
    *("core", "features", "sources", "extraction", "preparation"),
    *("training", "evaluation", "validation"),
)
_MAKING_LIBRARIES = ("python", "polars", "lightgbm", "numpy")
_TASKS = Path(__file__).parents[1]


@cache
def maker_digest() -> str:
    """Give the SHA-256 of all modules that make a model; a version's name depends on it."""
    return _digest_modules(module for room in _MAKERS for module in _list_modules(room))


@cache
def model_code_digest() -> str:
    """Give the SHA-256 of `maker_digest` and the versions of the libraries that make a model."""
    versions = {name: package_versions()[name] for name in _MAKING_LIBRARIES}
    return _sha256(f"{maker_digest()}{json.dumps(versions, sort_keys=True)}")


@cache
def code_digest() -> str:
    """Give the SHA-256 of all of `tasks/` and all libraries: a key for caches."""
    versions = json.dumps(package_versions(), sort_keys=True)
    return _sha256(f"{_digest_modules(_list_modules('.'))}{versions}")


def _list_modules(room: str) -> list[Path]:
    return sorted((_TASKS / room).rglob("*.py"))


def _digest_modules(modules: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for module in modules:
        digest.update(module.relative_to(_TASKS).as_posix().encode() + module.read_bytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Give the installed versions of Python and of `LIBRARIES`, for a version's lineage."""
    found = {name: installed_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
