"""The process in which a project's own feature functions are called, and nothing else is.

Standard input says which functions, standard output gives each one's expression in JSON, or what is
wrong with the first that gives none. What a project imports never meets our modules here, nor what
another run imported before. Not responsible for what an expression may do (`core.expression_tree`).
"""

import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import polars as pl

_CLOCKS = (time.time, time.time_ns, time.localtime, time.gmtime, time.ctime)
_TODAY = ("now", "utcnow", "today")
_INSTALLED = {"site-packages", "dist-packages"}


class Refused(Exception):
    """A function that gives no expression; `place` is a file and line of the project, if any."""

    def __init__(self, said: str, place: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(said)
        self.place, self.known = place, [*known]


class Project:
    """The folders in which a project's modules lie."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = [Path(folder).resolve() for folder in folders]
        self.relative = cache(self._relative)
        self.clock = ""

    def _relative(self, file: str) -> str:
        """Give a file's path from the project's folder; nothing for a file of others."""
        path = Path(file).resolve()
        if path.is_relative_to(Path(sys.prefix).resolve()) or _INSTALLED & set(path.parts):
            return ""
        root = self.folders[0]
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""

    def watch(self, frame: FrameType, event: str, called: Any) -> None:
        """Note where the project's own code reads the clock: Python calls this at every call."""
        if event != "c_call" or self.clock or not self.relative(frame.f_code.co_filename):
            return
        owner = getattr(called, "__self__", None)
        moment = isinstance(owner, type) and issubclass(owner, date)
        if called in _CLOCKS or (moment and called.__name__ in _TODAY):
            self.clock = f"{self.relative(frame.f_code.co_filename)}:{frame.f_lineno}"

    def place_of(self, error: BaseException) -> str:
        """Give the file and line of the project where an error came from."""
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            frames.append(
                traceback.FrameSummary(error.filename, error.lineno, "", lookup_line=False)
            )
        ours = [each for each in frames if self.relative(each.filename)]
        return f"{self.relative(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""

    def find(self, reference: str) -> FunctionType:
        """Import a function's module, and find the function in it."""
        name, _, wanted = reference.partition(":")
        self.refuse_others(name.partition(".")[0])
        try:
            module = importlib.import_module(name)
        except BaseException as error:
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                raise self.missing(error.name) from error
            said = f"cannot be imported: {type(error).__name__}: {error}"
            raise Refused(said, self.place_of(error)) from error
        place = self.relative(module.__file__ or "")
        found = getattr(module, wanted, None)
        if found is None:
            raise Refused(f"has no function {wanted!r}", place, _list_functions(module))
        if not isinstance(found, FunctionType):
            raise Refused(f"{wanted!r} is no function but {type(found).__name__}", place)
        file = inspect.unwrap(found).__code__.co_filename
        if not self.relative(file):
            raise Refused(f"{wanted!r} is defined in {file}, which is not in this project", place)
        return found

    def refuse_others(self, name: str) -> None:
        """Refuse a package that is not the project's, before all that it imports is loaded."""
        spec = find_spec(name)
        if spec is None:
            raise self.missing(name)
        places = [spec.origin] if spec.origin else spec.submodule_search_locations or ()
        if not any(self.relative(place) for place in places if place):
            raise Refused(f"{name} is {next(iter(places))}, which is not in this project")

    def missing(self, name: str | None) -> Refused:
        return Refused(f"there is no module {name!r} in {self.folders[0]}")

    def call(self, reference: str, columns: list[str]) -> dict[str, str]:
        """Call a function with its columns' expressions, and write down what it gives."""
        function = self.find(reference)
        code = inspect.unwrap(function).__code__
        place = f"{self.relative(code.co_filename)}:{code.co_firstlineno}"
        try:
            given = function(*map(pl.col, columns))
        except BaseException as error:
            said = f"fails: {type(error).__name__}: {error}"
            raise Refused(said, self.place_of(error) or place) from error
        if self.clock:
            said = "reads the clock, so that the same rows would give other values later"
            raise Refused(f"{said}; use a column that holds the time", self.clock)
        if not isinstance(given, pl.Expr):
            kind = type(given).__name__
            raise Refused(f"gives {kind}, and must give a Polars expression (pl.Expr)", place)
        if given.meta.has_multiple_outputs():
            raise Refused("gives several columns, and must give one", place)
        try:
            tree = given.meta.undo_aliases().meta.serialize(format="json")
        except Exception as error:
            raise Refused(f"cannot be written down: {error}", place) from error
        return {"tree": tree, "place": place}

    def read_sources(self, before: set[str]) -> dict[str, str]:
        """Read the project's modules that were imported, by their path."""
        modules = [module for name, module in sys.modules.items() if name not in before]
        files = {getattr(module, "__file__", None) or "" for module in modules}
        ours = {self.relative(file): Path(file) for file in files if file.endswith(".py")}
        ours.pop("", None)
        return {path: ours[path].read_text("utf-8") for path in sorted(ours)}


def _list_functions(module: ModuleType) -> Iterable[str]:
    return (name for name, each in vars(module).items() if isinstance(each, FunctionType))


def main() -> None:
    """Answer one question, on standard output as it was: what a project prints goes elsewhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    project, before, built = Project(asked["folders"]), {*sys.modules}, {}
    sys.path[:0] = asked["folders"]
    sys.dont_write_bytecode = True
    sys.setprofile(project.watch)
    for feature, (reference, columns) in asked["functions"].items():
        try:
            built[feature] = project.call(reference, columns)
        except Refused as refused:
            told = {"said": str(refused), "place": refused.place, "known": refused.known}
            json.dump({"feature": feature, **told}, answers)
            break
    else:
        sys.setprofile(None)
        new = {name.partition(".")[0] for name in {*sys.modules} - before}
        sources = project.read_sources(before)
        json.dump({"built": built, "sources": sources, "modules": sorted(new)}, answers)
    answers.close()


if __name__ == "__main__":
    main()
