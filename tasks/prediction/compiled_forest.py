"""LightGBM's trees as tables, which predict many rows at a time, equal to the last bit.

A test of a tree is compared with 32 rows at once, and clears the leaves that it rules out; the
lowest leaf left is the one that walking down the tree would reach (as in QuickScorer, Lucchese et
al. 2015). Leaves are numbered from left to right, and 64 of them are a unit. They are added up in
LightGBM's own order, and go through the same `exp`. A model that cannot be predicted exactly is
refused (NoForest).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.prediction.llvm_kernel import LANES, compile_loop

Array = NDArray[np.float64]
Fields = Mapping[str, str]

_CATEGORY, _DEFAULT_LEFT, _MISSING = 1, 2, 12  # bits of a node's decision_type
_IS_ZERO, _IS_ITSELF = 0, 8  # what NaN is to a test of numbers
_UNIT = 64
_ALL = 2**_UNIT - 1
_ODD_ROWS = 256
_NO_LEVEL = 2**40  # no set of levels reaches so far

# A test keeps the leaves in `keep` where a value goes right.
NUMBER = np.dtype([("threshold", "f8"), ("keep", "u8"), ("column", "i8")])
LEVELS = np.dtype([("keep", "u8"), ("column", "i8"), ("set", "i8"), ("words", "i8")])
# The leaves of a unit, the number of its first one, the sum that they go to, whether the tree
# ends with it, and how many tests it has: NaN goes left, NaN goes right, of levels.
UNIT = np.dtype(
    [
        *(("leaves", "u8"), ("first", "i8"), ("output", "i8"), ("ends", "i8")),
        *(("left", "i8"), ("right", "i8"), ("levels", "i8")),
    ]
)


class NoForest(Exception):
    """Why a model is left to LightGBM."""


class CompiledForest:
    """One model. It may be asked from several threads at once."""

    def __init__(self, text: str) -> None:
        try:
            self._loop = compile_loop()
        except ImportError as error:
            raise NoForest("llvmlite is not installed") from error
        except (OSError, RuntimeError) as error:
            raise NoForest(f"LLVM cannot compile for this machine: {error}") from error
        head, *trees = text.partition("\nend of trees")[0].split("\nTree=")
        fields = read_fields(head)
        self.outputs = int(fields["num_tree_per_iteration"])
        self._finish = choose_output(fields)
        tables = Tables()
        for number, tree in enumerate(trees):
            tables.add(Tree(read_fields(tree)), number % self.outputs)
        self._columns = list(tables.columns) or [0]
        self._units, *self._tests = tables.arrays()

    def predict(self, matrix: Array) -> Array:
        """Predict each row: one number, or one for each class."""
        rows, width = matrix.shape
        blocks = -(-max(rows, 1) // LANES)
        stride = blocks * LANES + 8  # no power of two: columns would share cache lines
        values, sums = np.zeros((width, stride)), np.zeros((self.outputs, stride))
        values[:, :rows] = matrix.T
        levels = values[self._columns]
        known = (levels > -1) & (levels < _NO_LEVEL)
        codes = np.where(known, levels, _NO_LEVEL).astype(np.int64)
        tests = (each.ctypes.data for each in self._tests)
        given = (values.ctypes.data, codes.ctypes.data, stride, rows)
        self._loop.answer(
            *given, self._units.ctypes.data, len(self._units), *tests, sums.ctypes.data
        )
        predicted = self._finish(np.ascontiguousarray(sums[:, :rows].T))
        return predicted if self.outputs > 1 else predicted[:, 0]


def compile_forest(text: str, features: int, predict: Callable[[Array], Array]) -> CompiledForest:
    """Compile a model's trees, and hold them against LightGBM's own answers to odd rows."""
    forest, chance = CompiledForest(text), np.random.default_rng(0)
    rows = chance.normal(scale=100, size=(_ODD_ROWS, features)).round()
    rows[chance.random(rows.shape) < 0.2] = np.nan
    if not np.array_equal(forest.predict(rows), predict(rows)):
        raise NoForest("it answers otherwise than LightGBM on this machine")
    return forest


class Tree:
    """One tree of a model's text."""

    def __init__(self, fields: Fields) -> None:
        if fields.get("is_linear", "0") != "0":
            raise NoForest("it has linear trees")
        self.leaves = read_floats(fields, "leaf_value")
        self.left, self.right = read_ints(fields, "left_child"), read_ints(fields, "right_child")
        self.columns = read_ints(fields, "split_feature")
        self.thresholds = read_floats(fields, "threshold")
        self.kinds = read_ints(fields, "decision_type")
        self._bounds = read_ints(fields, "cat_boundaries")
        self._words = read_ints(fields, "cat_threshold")

    def is_category(self, node: int) -> bool:
        return bool(self.kinds[node] & _CATEGORY)

    def levels(self, node: int) -> list[int]:
        """Give the levels that go left, as bits in numbers of 64."""
        first, end = self._bounds[int(self.thresholds[node]) :][:2]
        words = [*self._words[first:end], 0]
        return [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=False)]

    def sends_missing_left(self, node: int) -> bool:
        missing = self.kinds[node] & _MISSING
        if missing == _IS_ZERO:
            return self.thresholds[node] >= 0
        if missing == _IS_ITSELF:
            return bool(self.kinds[node] & _DEFAULT_LEFT)
        raise NoForest("zero stands for a missing value in it")

    def order(self) -> tuple[list[int], list[tuple[int, int, int]]]:
        """List leaves from left to right, and for each node where those on its left begin, end."""
        leaves: list[int] = []
        spans: list[tuple[int, int, int]] = []
        waiting = [(0 if self.left else ~0, -1)]
        while waiting:
            node, begin = waiting.pop()
            if node < 0:
                leaves.append(~node)
            elif begin < 0:  # comes back when its left side has been walked
                waiting += [(node, len(leaves)), (self.left[node], -1)]
            else:
                spans.append((node, begin, len(leaves)))
                waiting.append((self.right[node], -1))
        return leaves, spans


class Tables:
    """Grows tree by tree."""

    def __init__(self) -> None:
        self.columns: dict[int, int] = {}  # the features that are categories, by their places
        self._units: list[tuple[int, ...]] = []
        self._left: list[tuple[float, ...]] = []
        self._right: list[tuple[float, ...]] = []
        self._levels: list[tuple[int, ...]] = []
        self._sets: list[int] = []
        self._leaves: list[float] = []

    def add(self, tree: Tree, output: int) -> None:
        """Add a tree, its last unit first: the lowest leaf is then found last, and counts."""
        leaves, spans = tree.order()
        first = len(self._leaves)
        self._leaves += [tree.leaves[leaf] for leaf in leaves]
        for start in reversed(range(0, len(leaves), _UNIT)):
            before = self._lengths()
            for node, begin, end in spans:
                cleared = bits_between(begin - start, end - start)
                if cleared:
                    self._add_test(tree, node, _ALL ^ cleared)
            counts = (now - then for now, then in zip(self._lengths(), before, strict=True))
            alive = bits_between(0, len(leaves) - start)
            self._units.append((alive, first + start, output, int(start == 0), *counts))

    def _lengths(self) -> list[int]:
        return [len(each) for each in (self._left, self._right, self._levels)]

    def _add_test(self, tree: Tree, node: int, keep: int) -> None:
        column = tree.columns[node]
        if tree.is_category(node):
            place, words = self.columns.setdefault(column, len(self.columns)), tree.levels(node)
            self._levels.append((keep, place, len(self._sets), len(words)))
            self._sets += words
        else:
            table = self._left if tree.sends_missing_left(node) else self._right
            table.append((tree.thresholds[node], keep, column))

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return (
            np.array(self._units, UNIT),
            np.array(self._left, NUMBER),
            np.array(self._right, NUMBER),
            np.array(self._levels, LEVELS),
            np.array(self._sets, np.uint64),
            np.array(self._leaves),
        )


def choose_output(fields: Fields) -> Callable[[Array], Array]:
    """Find what LightGBM does to the sums of a model's leaves."""
    name, *options = fields.get("objective", "").split()
    given = dict(each.split(":", 1) for each in options if ":" in each)
    if "average_output" in fields:
        raise NoForest("its trees are averaged")
    if name in ("binary", "multiclassova", "cross_entropy"):
        steepness = float(given.get("sigmoid", 1))
        return lambda sums: 1.0 / (1.0 + raise_e(-steepness * sums))
    if name in ("poisson", "gamma", "tweedie"):
        return raise_e
    if name == "multiclass":
        return take_softmax
    if name in ("regression", "regression_l1", "huber", "fair", "quantile") and (
        "sqrt" not in options
    ):
        return lambda sums: sums
    raise NoForest(f"its objective is {name or 'not known'}")


def take_softmax(sums: Array) -> Array:
    """Divide by the total as LightGBM forms it: class after class."""
    raised = raise_e(sums - sums.max(axis=1, keepdims=True))
    total = np.zeros(len(sums))
    for column in raised.T:
        total += column
    return raised / total[:, None]


def raise_e(values: Array) -> Array:
    """Take `exp` as the C library does; NumPy's own differs in the last bit."""
    result = np.array(values, order="C")
    compile_loop().exponential(result.ctypes.data, result.size)
    return result


def bits_between(begin: int, end: int) -> int:
    """Set the bits from one place up to another, as far as they lie in a unit."""
    begin, end = max(begin, 0), min(end, _UNIT)
    return (1 << end) - (1 << begin) if begin < end else 0


def read_fields(block: str) -> Fields:
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value for name, _, value in lines}


def read_ints(fields: Fields, name: str) -> list[int]:
    return [int(each) for each in fields.get(name, "").split()]


def read_floats(fields: Fields, name: str) -> list[float]:
    return [float(each) for each in fields.get(name, "").split()]
