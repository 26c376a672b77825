"""Features: their kinds, and the numbers that a frozen vocabulary makes of them."""

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import ROWS, define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.extraction.run_plan import Plan
from tasks.features.transform import (
    OTHER,
    Features,
    Vocabulary,
    compile_features,
    encode,
    learn_levels,
)
from tasks.preparation.split import learn_categories

COLORS = Features(expressions={"c": "c"}, categories=("c",), columns={"c": "String"})


def compile_made(rows: pl.DataFrame = ROWS, **sections: str) -> Features:
    definition = parse_definition(define(**sections), "made.toml")
    return compile_features(definition, rows.schema, "made.toml")


def test_features_know_their_columns_and_categories() -> None:
    features = compile_made(features='ratio = "x / k"\nside = "c || \'!\'"\nlate = "k > 2"')
    assert features.columns == {"c": "String", "k": "Int64", "x": "Float64"}
    assert features.categories == ("side",)


def test_features_left_out_are_all_columns_but_key_time_and_target() -> None:
    definition = parse_definition(define().partition("[features]")[0], "made.toml")
    rows = ROWS.with_columns(pl.lit(1).alias("a b"), pl.lit(2).alias('"x"'))
    features = compile_features(definition, rows.schema, "made.toml")
    assert list(features.expressions) == ["x", "k", "c", "a b", '"x"']


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"features": 'f = "t"'}, r"\[features\] f: gives Datetime.*DATE_PART\('hour', t\)"),
        ({"features": 'f = "CAST(t AS DATE)"'}, r"\[features\] f: gives Date,.*'month'"),
        ({"features": 'f = "t - t"'}, r"gives Duration.*DATE_PART\('epoch', a\)"),
        ({"features": 'f = "xx"'}, r"\[features\] f: there is no column 'xx'"),
        ({"gate": 'slices = ["cc"]'}, r"\[gate\] slices: there is no column 'cc'; .*'c'"),
        ({"target": 'value = "yy"\nkind = "binary"'}, r"\[target\] value: .*'yy'; .*'y'"),
        ({"target": 'value = "c"\nkind = "binary"'}, "gives String for a binary.*c = 'yes'"),
        ({"target": 'value = "t"\nkind = "regression"'}, "gives Datetime.*CAST"),
        ({"target": 'value = "l"\nkind = "multiclass"'}, "gives List.*write one number or text"),
        (
            {"features": 'f = "l"'},
            r"f: gives List\(Int64\), and.*make one of it in \[extract\] query$",
        ),
    ],
)
def test_expression_of_a_wrong_kind_is_refused(sections: dict[str, str], said: str) -> None:
    rows = ROWS.with_columns(l=pl.concat_list("k"))
    with pytest.raises(DefinitionError, match="^made.toml: .*" + said):
        compile_made(rows, **sections)


def test_column_that_is_no_feature_may_be_left_out_by_a_list() -> None:
    definition = parse_definition(define().partition("[features]")[0], "made.toml")
    listed = (
        r"^made.toml: \[features\] l: gives List.*query \(to leave it out, list \[features\]\)$"
    )
    with pytest.raises(DefinitionError, match=listed):
        compile_features(definition, ROWS.with_columns(l=pl.concat_list("k")).schema, "made.toml")
    with pytest.raises(DefinitionError, match=r"^made.toml: no column is left to be a feature$"):
        compile_features(definition, ROWS.select("id", "t", "y").schema, "made.toml")


@pytest.mark.parametrize(
    ("given", "encoded"),
    [(pl.Boolean(), pl.Int8()), (pl.Null(), pl.Int8()), (pl.Float32(), pl.Float32()),
     (pl.Decimal(9, 2), pl.Float64()), (pl.UInt64(), pl.Float64()), (pl.Int128(), pl.Float64()),
     (pl.Int16(), pl.Int16())],
)  # fmt: skip
def test_numbers_keep_a_type_that_holds_them(given: pl.DataType, encoded: pl.DataType) -> None:
    features = Features(expressions={"f": "f"}, categories=(), columns={"f": str(given)})
    rows = pl.LazyFrame({"f": pl.Series([None, None], dtype=given)})
    assert encode(rows, features, Vocabulary(categories={})).collect_schema()["f"] == encoded


def test_codes_are_whole_numbers_whether_or_not_there_are_levels() -> None:
    for levels in ((), ("red",)):
        coded = encode(pl.LazyFrame({"c": ["red"]}), COLORS, Vocabulary(categories={"c": levels}))
        assert coded.collect_schema()["c"] == pl.Int32


def test_unseen_and_rare_levels_are_other_and_a_missing_one_stays_missing() -> None:
    vocabulary = Vocabulary(categories={"c": ("red", "")})
    rows = pl.LazyFrame({"c": ["red", "blue", None, ""]})
    assert encode(rows, COLORS, vocabulary).collect()["c"].to_list() == [1, 0, None, 2]


def test_category_without_a_level_is_all_other() -> None:
    rows = pl.LazyFrame({"c": ["red", None]})
    assert encode(rows, COLORS, Vocabulary(categories={"c": ()})).collect()["c"].to_list() == [
        0,
        None,
    ]


def test_ten_thousand_levels_are_encoded_by_the_frequent_ones() -> None:
    names = [f"level {number}" for number in range(10_000)]
    counts = pl.DataFrame({"level": names, "count": range(10_000, 0, -1)})
    levels = learn_levels(counts, rows=20, levels=10_000)
    assert levels == tuple(names[:-19])
    rows = pl.LazyFrame({"c": names})
    codes = encode(rows, COLORS, Vocabulary(categories={"c": levels})).collect()["c"]
    assert codes.to_list() == [*range(1, 9982), *[0] * 19]


def test_levels_are_the_frequent_ones_and_ties_go_by_name() -> None:
    counts = pl.DataFrame({"level": ["b", "a", None, "d", "c"], "count": [9, 9, 50, 20, 3]})
    assert learn_levels(counts, rows=5, levels=10) == ("d", "a", "b")
    assert learn_levels(counts, rows=5, levels=2) == ("d", "a")


def test_numbers_keep_their_values_and_what_is_not_finite_is_missing() -> None:
    features = compile_made(features='f = "x / k"\nflag = "y"')
    rows = pl.LazyFrame(
        {"x": [1.0, 0.0, 1.0, None], "k": [0, 0, 4, 1], "y": [True, False, None, True]}
    )
    encoded = encode(rows, features, Vocabulary(categories={})).collect()
    assert encoded["f"].to_list() == [None, None, 0.25, None]
    assert encoded["flag"].to_list() == [1, 0, None, 1]


def test_one_row_encodes_as_it_does_among_others() -> None:
    features = compile_made(features='f = "x / k"\nc = "c"\nh = "DATE_PART(\'hour\', t)"')
    vocabulary = Vocabulary(categories={"c": ("north", "west")})
    together = encode(ROWS.lazy(), features, vocabulary).collect()
    for row in (0, 17, 399):
        alone = encode(ROWS[row : row + 1].lazy(), features, vocabulary).collect()
        assert alone.equals(together[row : row + 1])


LEVELS = st.lists(
    st.sampled_from(["a", "b", "B", "", " a", "é", "\x00", None]) | st.text(max_size=2)
)


def learn(values: list[str | None], rows: int, levels: int) -> Vocabulary:
    limits = f"category_rows = {rows}\ncategory_levels = {levels}"
    definition = parse_definition(define(training=limits), "made.toml")
    plan = Plan.model_construct(definition=definition, features=COLORS)
    return Vocabulary(categories=learn_categories(plan, rows_of(values)))


def rows_of(values: list[str | None]) -> pl.LazyFrame:
    return pl.LazyFrame({"c": pl.Series(values, dtype=pl.String)})


def codes_of(values: list[str | None], vocabulary: Vocabulary) -> list[int | None]:
    return encode(rows_of(values), COLORS, vocabulary).collect()["c"].to_list()


@given(LEVELS, LEVELS, st.integers(1, 4), st.integers(1, 9), st.randoms(use_true_random=False))
def test_vocabulary_is_the_frequent_levels_whatever_the_order_and_frozen(
    seen: list[str | None], served: list[str | None], rows: int, levels: int, random: Any
) -> None:
    vocabulary = learn(seen, rows, levels)
    known = vocabulary.categories["c"]
    counts = Counter(value for value in seen if value is not None)
    frequent = [level for level, count in counts.items() if count >= rows]
    assert list(known) == sorted(frequent, key=lambda level: (-counts[level], level))[:levels]

    mixed = random.sample(seen, len(seen))
    assert learn(mixed, rows, levels) == vocabulary

    codes = codes_of(served, vocabulary)
    for value, code in zip(served, codes, strict=True):
        expected = known.index(value) + 1 if value in known else OTHER
        assert code == (None if value is None else expected)
    assert codes_of([*seen, *served], vocabulary)[len(seen) :] == codes


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("binary", "c", "gives String for a binary target; write c = 'yes'"),
        ("regression", "c", "gives String for a regression target; write CAST(… AS DOUBLE)"),
        ("multiclass", "l", "gives List(Int64) for a multiclass target; write one number or text"),
    ],
)
def test_target_that_cannot_be_learned_is_told_how_to_write_it(
    kind: str, value: str, said: str
) -> None:
    given = define(target=f"value = '{value}'\nkind = '{kind}'")
    schema = ROWS.with_columns(l=pl.concat_list("k")).schema
    with pytest.raises(DefinitionError) as refusal:
        compile_features(parse_definition(given, "made.toml"), schema, "made.toml")
    assert str(refusal.value) == f"made.toml: [target] value: {said}"


def test_classes_may_be_text_dates_or_numbers() -> None:
    for value in ("c", "t", "k", "y"):
        compile_made(target=f"value = '{value}'\nkind = 'multiclass'", features='x = "x"')


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("t", "Datetime(time_unit='us', time_zone=None), and a feature must be a number, text or "
         "true/false; take a part of it, as in DATE_PART('hour', t)"),
        ("t - t", "Duration(time_unit='us'), and a feature must be a number, text or true/false; "
         "subtract seconds, as in DATE_PART('epoch', a) - DATE_PART('epoch', b)"),
        ("l", "List(Int64), and a feature must be a number, text or true/false; "
         "make one of it in [extract] query"),
    ],
)  # fmt: skip
def test_feature_that_is_none_is_told_how_to_make_one_of_it(sql: str, said: str) -> None:
    with pytest.raises(DefinitionError) as refusal:
        compile_made(ROWS.with_columns(l=pl.concat_list("k")), features=f"f = '{sql}'")
    assert str(refusal.value) == f"made.toml: [features] f: gives {said}"


@pytest.mark.parametrize(
    ("training", "left"),
    [
        ("", ["c", "k", "x"]),
        ('group = "k"', ["c", "x"]),
        ('group = "k // 2"', ["c", "k", "x"]),
        ('group = "c"\nweight = "k"', ["x"]),
    ],
)
def test_what_is_all_of_the_group_or_the_weight_is_no_feature_by_itself(
    training: str, left: list[str]
) -> None:
    text = f"{define().partition('[features]')[0]}[training]\n{training}\n"
    definition = parse_definition(text, "made.toml")
    assert sorted(compile_features(definition, ROWS.schema, "made.toml").expressions) == left
