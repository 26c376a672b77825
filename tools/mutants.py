"""Change one thing at a time in a module and see whether its tests notice: `make mutants`.

    python -m tools.mutants tasks/features/transform.py tests/tasks/features/test_transform.py

Owns what is changed and the count of what went unnoticed. A changed function takes the place of
the sound one in this very process, so what tests share, such as a trained model, is made once.
Only tests that call the function are run. What is logged, a default and a type are left alone,
and so is what a test runs in a process of its own.
"""

import ast
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol

GOAL = 0.85
_OTHERS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


class TooSlow(BaseException):
    """A change made a test run for ever."""


class Mutant(NamedTuple):
    function: str  # empty for a constant of the module
    line: int
    before: str
    after: str
    tree: ast.Module


def make_mutants(source: str) -> Iterator[Mutant]:
    """Make every change of a module, each in a tree of its own."""
    count = len(list(ast.walk(ast.parse(source))))
    for place in range(count):
        choices = len(_changes_at(ast.parse(source), place))
        for choice in range(choices):
            tree = ast.parse(source)
            node, changed = _changes_at(tree, place)[choice]
            before, after = ast.unparse(node), ast.unparse(changed)
            function = _function_around(tree, node)
            ast.copy_location(changed, node)
            mutated = ast.fix_missing_locations(_Swap(node, changed).visit(tree))
            yield Mutant(function, node.lineno, before, after, mutated)


def _changes_at(tree: ast.Module, place: int) -> list[tuple[Any, Any]]:
    node = list(ast.walk(tree))[place]
    if id(node) in _left_alone(tree):
        return []
    return [(node, changed) for changed in _changes(node)]


def _left_alone(tree: ast.Module) -> set[int]:
    """Find types, docstrings, defaults, decorators, class fields and what is logged."""
    left: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            every = [*arguments.args, *arguments.kwonlyargs, *arguments.posonlyargs]
            left += [each.annotation for each in every] + [node.returns, *node.decorator_list]
            left += [*arguments.defaults, *arguments.kw_defaults]
        elif isinstance(node, ast.AnnAssign):
            left.append(node.annotation)
        elif isinstance(node, ast.ClassDef):
            left += [each for each in node.body if not isinstance(each, ast.FunctionDef)]
            left += [*node.bases, *(each.value for each in node.keywords)]
        elif isinstance(node, ast.Expr) and (
            isinstance(node.value, ast.Constant) or ast.unparse(node).startswith("log.")
        ):
            left.append(node)
    return {id(inside) for each in left if each for inside in ast.walk(each)}


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for place, op in enumerate(ops):
                others = [*ops[:place], _OTHERS[type(op)](), *ops[place + 1 :]]
                yield ast.Compare(left, others, comparators)
        case ast.BinOp(left, op, right) if type(op) in _OTHERS:
            yield ast.BinOp(left, _OTHERS[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in _OTHERS:
            yield ast.AugAssign(target, _OTHERS[type(op)](), value)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(_OTHERS[type(op)](), values)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value):
            yield ast.Constant(f"XX{value}")
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call()):
            yield ast.Pass()


class _Swap(ast.NodeTransformer):
    def __init__(self, node: ast.AST, changed: ast.AST) -> None:
        self.node, self.changed = node, changed

    def visit(self, node: ast.AST) -> Any:
        return self.changed if node is self.node else self.generic_visit(node)


def _function_around(tree: ast.Module, node: ast.AST) -> str:
    """Name the outermost function around a node, as `Class.method` in a class."""
    for top in tree.body:
        inside = top.body if isinstance(top, ast.ClassDef) else [top]
        prefix = f"{top.name}." if isinstance(top, ast.ClassDef) else ""
        for each in inside:
            if isinstance(each, ast.FunctionDef) and any(node is one for one in ast.walk(each)):
                return prefix + each.name
    return ""


class Module:
    """A module whose functions can be changed under everyone who imported them."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).resolve()
        self.loaded: ModuleType = import_module(path.removesuffix(".py").replace("/", "."))
        self.mutants = list(make_mutants(self.path.read_text()))

    @cached_property
    def functions(self) -> dict[str, tuple[FunctionType, Any]]:
        """Find the plain functions by name, each with what wraps it."""
        found = {}
        for name, value in vars(self.loaded).items():
            members = vars(value).items() if isinstance(value, type) else ()
            for inner, each in [(name, value), *((f"{name}.{n}", m) for n, m in members)]:
                plain = getattr(each, "fget", None) or getattr(each, "fn", None) or each
                plain = getattr(plain, "__wrapped__", plain)
                if isinstance(plain, FunctionType) and plain.__module__ == self.loaded.__name__:
                    found[inner] = (plain, each)
        return found

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Put a mutant in the sound code's place for a while."""
        if not mutant.function:
            before = dict(vars(self.loaded))
            mutant.tree.body = [each for each in mutant.tree.body if isinstance(each, ast.Assign)]
            exec(compile(mutant.tree, str(self.path), "exec"), vars(self.loaded))
            yield
            vars(self.loaded).update(before)
            return
        function, wrapper = self.functions[mutant.function]
        sound = function.__code__
        clear = getattr(wrapper, "cache_clear", lambda: None)
        function.__code__ = _find_code(
            compile(mutant.tree, str(self.path), "exec"), mutant.function
        )
        clear()
        yield
        function.__code__ = sound
        clear()


def _find_code(code: CodeType, name: str) -> CodeType:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == name:
                return inner
            if name.startswith(f"{inner.co_qualname}."):
                return _find_code(inner, name)
    raise LookupError(name)


class Hunt:
    """Takes pytest's loop over the tests: once as they are, then once for each mutant."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.survivors: list[Mutant] = []
        self.calls: dict[pytest.Item, set[str]] = {}
        self.seconds: dict[pytest.Item, float] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        # Not before: pytest rewrites its plugins, which the module may import too.
        from hypothesis import Phase, settings

        self.module = Module(self.path)
        quick = settings(settings.default, phases=(Phase.explicit, Phase.generate))
        settings.register_profile("quick", quick)
        settings.load_profile("quick")
        for item in session.items:
            started = perf_counter()
            with self._recorded(item):
                assert not self._fails(item), f"{item.nodeid} fails as it is"
            self.seconds[item] = perf_counter() - started
        killers: dict[str, pytest.Item] = {}
        for mutant in self.module.mutants:
            tests = [
                item
                for item in session.items
                if mutant.function in self.calls[item] or not mutant.function
            ]
            last = killers.get(mutant.function)
            tests.sort(key=lambda item, last=last: (item is not last, self.seconds[item]))
            with self.module.changed(mutant):
                killer = next((item for item in tests if self._fails(item)), None)
            if killer is None:
                self.survivors.append(mutant)
                where = f"{self.module.path.name}:{mutant.line} {mutant.function}"
                print(f"{where}: {_short(mutant.before)} -> {_short(mutant.after)}", flush=True)
            else:
                killers[mutant.function] = killer
        return True

    def _fails(self, item: pytest.Item) -> bool:
        """Run one test; what its module shares with others stays for the next."""
        others = [each for each in item.session.items if each.path == item.path]
        beside = next(each for each in others if each is not item)
        item.session._setupstate.teardown_exact(item)
        signal.setitimer(signal.ITIMER_REAL, 10 + 20 * self.seconds.get(item, 10))
        try:
            reports = runtestprotocol(item, log=False, nextitem=beside)
        except TooSlow:
            return True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return any(report.failed for report in reports)

    @contextmanager
    def _recorded(self, item: pytest.Item) -> Iterator[None]:
        """Note which functions of the module a test calls, on any thread."""
        called = self.calls[item] = set()

        def note(frame: Any, event: str, argument: object) -> None:
            if frame.f_code.co_filename == str(self.module.path):
                called.add(frame.f_code.co_qualname.partition(".<locals>")[0])

        sys.settrace(note)
        threading.settrace(note)
        yield
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 90 else f"{line[:90]}…"


def _give_up(*_: object) -> None:
    raise TooSlow


def main(path: str, *tests: str) -> int:
    signal.signal(signal.SIGALRM, _give_up)
    hunt = Hunt(path)
    options = ["-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:terminal"]
    if pytest.main([*options, *tests], plugins=[hunt]):
        return 1
    every, left = len(hunt.module.mutants), len(hunt.survivors)
    share = 1 - left / every
    print(f"{path}: {every - left} of {every} mutants were noticed ({share:.1%})")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
