"""Recalibration: one row and many have the same bits, and a file out of bounds is refused."""

import json
from typing import Any

import numpy as np
import pytest

from tasks.core.definition import parse_definition
from tasks.core.errors import StoreError
from tasks.training.recalibration import RECALIBRATION, Recalibration, read_recalibration

DEFINITION = "name = 'm'\nsources.s = 's.parquet'\ntarget = { value = 'y', kind = '%s' }"
RANDOM = np.random.default_rng(1)
KNOTS = np.concatenate([[0], np.sort(RANDOM.random(50)), [1]])
VALUES = np.concatenate([[0], np.sort(RANDOM.random(50)), [1]])
METHODS = {
    "platt": Recalibration(method="platt", slope=1.3, intercept=-0.4),
    "isotonic": Recalibration(method="isotonic", knots=tuple(KNOTS), values=tuple(VALUES)),
}


@pytest.mark.parametrize("method", METHODS)
def test_one_row_has_the_bits_that_it_has_among_many(method: str) -> None:
    chances = np.concatenate([RANDOM.random(20_001), KNOTS, [0.5]])
    many = METHODS[method].apply(chances)
    assert [METHODS[method].apply_one(each) for each in chances.tolist()] == many.tolist()
    np.testing.assert_array_equal(METHODS[method].apply(chances[::3]), many[::3])
    assert many.min() == 0
    assert many.max() == 1


def test_one_row_of_several_classes_has_the_bits_that_it_has_among_many() -> None:
    recalibration = Recalibration(method="temperature", temperature=1.7)
    chances = RANDOM.dirichlet(np.full(5, 0.2), 5_001)
    many = recalibration.apply(chances)
    assert [recalibration.apply_one(each) for each in chances.tolist()] == many.tolist()
    np.testing.assert_array_equal(recalibration.apply(np.asfortranarray(chances)), many)
    np.testing.assert_allclose(many.sum(axis=1), 1)
    assert (many.argmax(axis=1) == chances.argmax(axis=1)).all()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_stays(method: str) -> None:
    given = METHODS[method].apply(np.linspace(0, 1, 10_001))
    assert (np.diff(given) > 0).all()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"method": "platt", "slope": -1}, "slope: "),
        ({"method": "platt", "slope": float("inf")}, "slope: "),
        ({"method": "platt", "intercept": 1e9}, "intercept: "),
        ({"method": "platt", "knots": (0, 1)}, "knots are for isotonic"),
        ({"method": "isotonic"}, "two at least"),
        ({"method": "isotonic", "knots": (0, 0.5), "values": (0, 1)}, "from 0 to 1"),
        ({"method": "isotonic", "knots": (0, 0.5, 0.5, 1), "values": (0, 0.1, 0.2, 1)}, "rise"),
        ({"method": "isotonic", "knots": (0, 0.5, 1), "values": (0.2, 0.1, 1)}, "values must rise"),
        ({"method": "isotonic", "knots": (0, 1), "values": (0, 2)}, "values.1: "),
        ({"method": "temperature", "temperature": 0}, "temperature: "),
        ({"method": "temperature"}, "temperature is not for a binary target"),
        ({"method": "magic"}, "method: "),
    ],
)
def test_file_out_of_bounds_is_refused_by_its_name(keys: dict[str, Any], said: str) -> None:
    text = json.dumps(keys).encode()  # with Infinity, as Python writes it
    definition = parse_definition(DEFINITION % "binary", "m.toml")
    with pytest.raises(StoreError, match=f"^v1/{RECALIBRATION}: is damaged: .*{said}"):
        read_recalibration(lambda _: text, [RECALIBRATION], definition, "v1")


def test_version_without_a_file_has_none() -> None:
    definition = parse_definition(DEFINITION % "binary", "m.toml")
    assert read_recalibration(lambda name: b"", ["model.txt"], definition, "v1") is None


def test_file_gives_back_what_was_fitted_to_the_bit() -> None:
    definition = parse_definition(DEFINITION % "binary", "m.toml")
    for given in METHODS.values():
        text = given.model_dump_json(exclude_defaults=True).encode()

        def read(_: str, text: bytes = text) -> bytes:
            return text

        assert read_recalibration(read, [RECALIBRATION], definition, "v1") == given
