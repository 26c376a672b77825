"""Text is told to be numbers, codes or classes, and what stands for missing among them."""

from drafts import Draft, X, Y


def test_word_among_many_numbers_is_missing_and_among_few_codes_a_code(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        odd = row % 20 == 0
        return f"{'unknown' if odd else row % 300},{'A' if odd else row % 4},{Y[row]}"

    definition, _ = draft_csv("size,grade,y", line, "y")
    assert definition.sources["table"].null_values == ("unknown",)
    assert definition.checks.columns["size"].type == "number"
    assert definition.checks.columns["grade"].values == ("0", "1", "2", "3", "A")


def test_minus_can_be_a_class_and_missing_in_one_table(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        number = "-" if row % 9 == 0 else row % 40
        return f"{X[row]:.3f}|{number}|{'+' if Y[row] > 0.5 else '-'}"

    definition, text = draft_csv("a|b|class", line, "class")
    assert definition.target.value == "class = '+'"
    assert definition.checks.columns["b"].type == "number"
    assert "in b, '-' stands for missing" in text
