"""Every regular expression in the code takes time that grows with the text, and no faster.

One that backtracks holds Python's lock, and with it every other request that a service answers.
"""

import ast
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any, NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[1]
WAYS = ("match", "search", "fullmatch", "sub", "split", "findall", "finditer")
APPLIED = re.compile(r"\bre\.[a-z]+\(|\bpattern=")
PROBED, WHOLE = 4_000, 1_000_000
SECONDS = 2.0  # of this process's own time: how busy the machine is does not count
COMMON = ["a", "1", " ", "\n", "_", "-", ".", ",", "(", ")", "'", '"']
END = "\0"  # after which no pattern matches


class Used(NamedTuple):
    """A pattern, and the ways in which it is applied."""

    place: str
    pattern: str | bytes
    flags: int
    ways: tuple[str, ...]


def find_patterns() -> Iterator[Used]:
    paths = [
        each
        for folder in ("bentos", "tasks", "flows")
        for each in REPOSITORY.glob(f"{folder}/**/*.py")
    ]
    texts = {path: path.read_text() for path in sorted(paths)}
    # Each process of a test run looks for them, and to parse every file takes seconds.
    trees = {path: ast.parse(text) for path, text in texts.items() if APPLIED.search(text)}
    constants: dict[str, str] = {}
    for tree in trees.values():
        constants |= dict(_constants(tree))
    for path, tree in trees.items():
        for node in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            place = f"{path.relative_to(REPOSITORY)}:{node.lineno}"
            written = ast.unparse(node.func)
            if written.startswith("re.") and written[3:] in (*WAYS, "compile"):
                ways = (written[3:],) if written != "re.compile" else _ways(node, tree)
                yield Used(place, _text(node.args[0], constants), _flags(node), ways)
            for given in node.keywords:
                if given.arg == "pattern":
                    yield Used(place, _text(given.value, constants), 0, ("search",))


def _constants(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Give the names that a module gives to texts, one by one or several in a line."""
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign)):
        pairs = [(node.targets[0], node.value)]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for name, value in pairs:
            text = value.value if isinstance(value, ast.Constant) else None
            if isinstance(name, ast.Name) and isinstance(text, str):
                yield name.id, text


def _ways(compiled: ast.Call, tree: ast.AST) -> tuple[str, ...]:
    """Find how a pattern that has a name is applied in its module."""
    (name,) = [
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value is compiled
    ]
    used = {ast.unparse(each) for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    return tuple(way for way in WAYS if f"{name}.{way}" in used) or ("search",)


def _text(node: ast.expr, constants: dict[str, str]) -> str | bytes:
    """Read a pattern; what is put into one stands for a word."""
    if isinstance(node, ast.Name):
        return constants[node.id]
    if isinstance(node, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.Constant) else "word" for each in node.values]
        return "".join(map(str, parts))
    assert isinstance(node, ast.Constant), ast.unparse(node)
    assert isinstance(node.value, str | bytes)
    return node.value


def _flags(node: ast.Call) -> int:
    given = [*node.args, *(each.value for each in node.keywords)]
    names = [name for each in given for name in re.findall(r"\bre\.([A-Z]+)\b", ast.unparse(each))]
    return sum(getattr(re, name) for name in names)


PATTERNS = list(find_patterns())


def hostile(pattern: str) -> Iterator[tuple[str, str]]:
    """Give how a text may begin that nearly matches, and what comes over and over after that."""
    plain = re.sub(r"\\[AbBdDsSwWZ]|\(\?[a-z]*[:=!]?|[\\\[\]{}?+|]", "\n", pattern)
    runs = [each for each in dict.fromkeys(re.split(r"\n|\.\*|\)\*?|\(", plain)) if each]
    pieces = list(dict.fromkeys([*runs, *COMMON, *(sign for run in runs for sign in run)]))
    for begin in ("", *runs):
        for one in pieces:
            for two in ("", *pieces[:8]):
                yield begin, one + two


def write(begin: str, again: str, size: int) -> str:
    return begin + again * (size // len(again)) + END


def apply(used: Used, text: str) -> None:
    compiled = re.compile(used.pattern, used.flags)
    given: Any = text.encode() if isinstance(used.pattern, bytes) else text
    for way in used.ways:
        if way == "sub":
            compiled.sub(given[:0], given)
        elif way == "finditer":
            list(compiled.finditer(given))
        else:
            getattr(compiled, way)(given)


@contextmanager
def limit(said: str) -> Iterator[None]:
    """Fail once this process has worked for too long; patterns look for signals as they go."""

    def stop(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{said} takes longer than {SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def check(used: Used) -> None:
    """Try many texts that are short, and the one that took longest in full length."""
    pattern = used.pattern if isinstance(used.pattern, str) else used.pattern.decode()
    taken = []
    for begin, again in hostile(pattern):
        begun = process_time()
        with limit(f"{used.place}: {pattern!r} on {PROBED:,} characters of {begin!r}, {again!r}"):
            apply(used, write(begin, again, PROBED))
        taken.append((process_time() - begun, begin, again))
        if taken[-1][0] > SECONDS / 100:  # no text in full length would take more than this one
            break
    _, begin, again = max(taken)
    with limit(f"{used.place}: {pattern!r} on {WHOLE:,} characters of {begin!r}, {again!r}"):
        apply(used, write(begin, again, WHOLE))


@pytest.mark.parametrize("used", PATTERNS, ids=lambda used: used.place)
def test_a_pattern_takes_a_megabyte_of_hostile_text(used: Used) -> None:
    check(used)


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        (r"field `(.*)`$", "search"),
        (r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with)\b", "match"),
    ],
)
def test_a_pattern_that_backtracks_is_found(pattern: str, way: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="takes longer than"):
        check(Used("here", pattern, re.DOTALL, (way,)))


def test_patterns_are_looked_for_everywhere() -> None:
    assert {"bentos", "tasks"} <= {used.place.partition("/")[0] for used in PATTERNS}
    assert len(PATTERNS) > 50
