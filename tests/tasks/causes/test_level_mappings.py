"""Levels: another spelling and a new name are told, and a level that really grows is not."""

import numpy as np
import polars as pl
import pytest

from tasks.causes.level_mappings import propose_levels

RNG = np.random.default_rng(7)
NAMES = ["UA big", "DL", "B6", "AA", "US"]
OLD = pl.Series("x", RNG.choice(NAMES, 4_000, p=[0.4, 0.25, 0.15, 0.12, 0.08]))
NEW = pl.Series("x", RNG.choice(NAMES, 2_000, p=[0.4, 0.25, 0.15, 0.12, 0.08]))


@pytest.mark.parametrize(
    ("new", "about"),
    [
        (NEW.str.to_lowercase(), "written in lower case: 'UA big' is 'ua big' now"),
        (NEW + " ", "written with a space at the end: 'UA big' is 'UA big ' now"),
        (NEW.str.replace_all(" ", "_"), "written with _ for spaces: 'UA big' is 'UA_big' now"),
        ("NY-" + NEW, "written with 'NY-' before it: 'UA big' is 'NY-UA big' now"),
        (NEW.replace("UA big", "UA big (new)"), "written with ' (new)' after it: 'UA big' is"),
        (NEW.replace({"UA big": "Z", "B6": "Y"}), "renamed: 'UA big' is 'Z' now, 'B6' is 'Y' now"),
    ],
)
def test_names_are_told(new: pl.Series, about: str) -> None:
    (found,) = propose_levels("x", OLD, new)
    assert found.about.startswith(about)
    assert new.replace({other: one for one, other in found.levels.items()}).is_in(NAMES).all()


def test_many_names_are_counted() -> None:
    (found,) = propose_levels("x", OLD, NEW.str.to_lowercase())
    assert found.about.endswith(", 'b6' is 'b6' now and 2 more") or found.about.endswith("2 more")


def test_new_level_that_takes_no_others_place_is_not_told() -> None:
    grown = pl.concat([NEW, pl.Series("x", ["ZZ"] * 700)])
    assert propose_levels("x", OLD, grown) == []


def test_half_of_a_level_is_no_name_of_it() -> None:
    half = NEW.to_list()
    half[:1_000] = ["ZZ" if each == "UA big" else each for each in half[:1_000]]
    assert propose_levels("x", OLD, pl.Series("x", half)) == []


def test_levels_of_like_shares_are_not_guessed() -> None:
    even = pl.Series("x", RNG.choice(["a", "b", "c"], 4_000))
    assert propose_levels("x", even, even.replace({"a": "p", "b": "q"})) == []


def test_nothing_new_is_nothing_renamed() -> None:
    assert propose_levels("x", OLD, NEW) == []
