"""Any definition: what is written is what is read, and a slip anywhere is refused by its place."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel
from tables import define

from tasks.core.data_sections import ColumnCheck, Source
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError

SHARES, COUNTS = st.floats(0, 1), st.integers(20, 9_999)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1)
SPANS = st.integers(1, 99_999).map(lambda minutes: timedelta(minutes=minutes))
LEGAL = {
    "extract": {"key": st.lists(TEXTS, unique=True), "time": TEXTS, "window": SPANS},
    "target": {"value": TEXTS, "kind": st.just("binary"), "matures_after": SPANS},
    "features": {"plain": TEXTS, "un usual.name": TEXTS},
    "checks": {"rows": COUNTS, "duplicates": SHARES, "allow_future": st.booleans()},
    "training": {"rounds": COUNTS, "refit": st.booleans(), "holdout": st.floats(0.01, 0.9) | SPANS},
    "gate": {"metric": st.sampled_from(["auc", "brier"]), "slices": st.lists(TEXTS)},
    "serving": {
        "threshold": st.floats(0.01, 0.99),
        "log_keep": SPANS,
        "max_rows": COUNTS,
        "workers": st.integers(1, 64) | st.just("auto"),
    },
    "monitoring": {"window": SPANS, "new_rows": SHARES},
}
NEEDED = {"extract": ["time"], "target": ["value", "kind"], "features": ["plain"]}
LEGAL_DEFINITIONS = st.fixed_dictionaries(
    {
        section: st.fixed_dictionaries(
            {key: keys[key] for key in NEEDED.get(section, ())},
            optional={key: keys[key] for key in keys if key not in NEEDED.get(section, ())},
        )
        for section, keys in LEGAL.items()
    }
)


def write_section(values: dict[str, Any]) -> str:
    """Write keys and values as TOML; a duration as whole minutes."""

    def write(value: Any) -> str:
        if isinstance(value, timedelta):
            value = f"{value // timedelta(minutes=1)}m"
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

    return "\n".join(f"{write(key)} = {write(value)}" for key, value in values.items())


@given(LEGAL_DEFINITIONS)
def test_what_a_definition_says_is_what_is_read(given: dict[str, dict[str, Any]]) -> None:
    text = define(**{section: write_section(values) for section, values in given.items()})
    found = parse_definition(text, "made.toml")
    assert found.features == given.pop("features")
    for section, values in given.items():
        for key, value in values.items():
            read = getattr(getattr(found, section), key)
            assert read == (tuple(value) if isinstance(value, list) else value)


@given(LEGAL_DEFINITIONS, LEGAL_DEFINITIONS, st.randoms(use_true_random=False))
def test_equal_definitions_and_only_they_have_equal_digests(
    one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]], random: Any
) -> None:
    def parse(given: dict[str, dict[str, Any]], shuffled: bool = False) -> Definition:
        sections = {}
        for section, values in given.items():
            lines = list(values.items())
            if shuffled and section != "features":  # their order is the model's
                random.shuffle(lines)
            sections[section] = write_section(dict(lines))
        return parse_definition(define(**sections), "made.toml")

    assert parse(one).digest == parse(one, shuffled=True).digest
    assert (parse(one).digest == parse(other).digest) == (parse(one) == parse(other))


def keys_of_the_file() -> dict[str, list[str]]:
    """List each section's keys, as the models have them."""
    found = {"": ["name", "description"], "sources.s": list(Source.model_fields)}
    found["checks.columns.x"] = list(ColumnCheck.model_fields)
    for section, field in Definition.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found[section] = list(field.annotation.model_fields)
    return found


KEYS = keys_of_the_file()
PLACES = [(section, key) for section, keys in KEYS.items() for key in keys]


def put(section: str, key: str, value: str) -> str:
    """Write a sound definition in which one key has another value."""
    if not section:
        lines = [line for line in define().splitlines() if not line.startswith(f"{key} =")]
        return "\n".join([f"{key} = {value}", *lines])
    usual = {
        "sources.s": {"uri": '"s.parquet"'},
        "extract": {"time": '"t"'},
        "target": {"value": '"y"', "kind": '"binary"'},
    }.get(section, {})
    text = "\n".join(f"{name} = {said}" for name, said in ({**usual, key: value}).items())
    return define(**({"sources": ""} if section == "sources.s" else {}), **{section: text})


@pytest.mark.parametrize(("section", "key"), PLACES)
@pytest.mark.parametrize("value", ["1979-05-27", "nan", "[[1]]"], ids=["date", "nan", "nested"])
def test_value_that_no_key_takes_is_refused_at_every_key(
    section: str, key: str, value: str
) -> None:
    with pytest.raises(DefinitionError, match=r"^made\.toml: ") as refusal:
        parse_definition(put(section, key, value), "made.toml")
    said = str(refusal.value)
    where = f"[{section}] {key}" if section else f" {key}"
    assert where in said or f"[{section}.{key}]" in said, said
    assert "\n" not in said


@given(st.sampled_from(sorted(KEYS)), st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
def test_key_that_no_section_knows_is_refused_in_every_section(section: str, key: str) -> None:
    assume(key not in KEYS[section] and (section or key not in Definition.model_fields))
    with pytest.raises(DefinitionError, match=r"^made.toml: .*unknown key; ") as refusal:
        parse_definition(put(section, key, "1"), "made.toml")
    assert (f"[{section}] {key}:" if section else f" {key}:") in str(refusal.value)


@given(st.data())
def test_file_with_a_slip_of_the_pen_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    text = define(training='holdout = "9d"\nparams = { num_leaves = 7 }', gate='slices = ["c"]')
    place = data.draw(st.integers(0, len(text)))
    cut, put_in = data.draw(st.integers(0, 3)), data.draw(st.text(max_size=3))
    said = ""
    try:
        parse_definition(text[:place] + put_in + text[place + cut :], "made.toml")
    except DefinitionError as error:
        said = str(error)
    assert not said or said.startswith("made.toml: ")
    assert "\n" not in said
