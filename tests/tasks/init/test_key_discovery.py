"""A key is different in every row, or given."""

from drafts import FLIGHTS, RNG, ROWS, Draft, line_of


def test_planes_are_told_apart_by_their_tail_number(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "planes.parquet"), "seats")
    assert definition.extract.key == ("tailnum",)
    assert "names the row" in line_of(text, "# tailnum")


def test_given_key_may_repeat(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"who": [row // 2 for row in range(ROWS)]}, key=("who",))
    assert definition.extract.key == ("who",)
    assert 0.5 < definition.checks.duplicates < 1
    assert "who" not in (definition.features or {})


def test_target_is_never_the_key(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"y": RNG.permutation(ROWS)})
    assert definition.extract.key == ()


def test_counter_is_a_key_with_a_question(draft_columns: Draft) -> None:
    _, text = draft_columns(columns={"n": list(range(ROWS))})
    assert "counts the rows: does it go on in the next file?" in text
