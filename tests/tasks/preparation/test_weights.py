"""Weights of rows: what is refused by key and row count, and what a weight of 0 means."""

import polars as pl
import pytest
from tables import ROWS, Project, define

from flows.retrain import plan_retrain
from tasks.core.columns import ROW, WEIGHT
from tasks.core.errors import DataRefused, DefinitionError
from tasks.preparation.weights import read_weights


def weigh(weight: str) -> dict[str, str]:
    return {"training": f'weight = "{weight}"'}


def test_rows_carry_their_weight_and_without_one_no_column(made: Project) -> None:
    _, prepared = made.prepare(**weigh("k + 1"))
    rows = prepared.scan().collect()
    by_row = dict(rows.select(ROW, WEIGHT).iter_rows())
    assert by_row == {row: k + 1.0 for row, k in enumerate(ROWS["k"])}
    assert sorted(read_weights(rows).tolist()) == sorted(by_row.values())  # type: ignore[union-attr]
    _, prepared = made.prepare()
    assert read_weights(prepared.scan().collect()) is None
    assert WEIGHT not in prepared.scan().collect_schema()


def test_row_of_weight_0_is_as_good_as_absent(
    made: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "perennial.preparation")
    _, prepared = made.prepare(**weigh("k"))
    left = sorted(prepared.scan().collect()[ROW])
    assert left == [row for row, k in enumerate(ROWS["k"]) if k]
    assert "80 of 400 labelled rows weigh nothing and are left out" in caplog.text


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("k - 1", r"\[training\] weight: is negative in 80 of 400 labelled rows; it must be 0 or"),
        ("NULLIF(k, 0)", r"weight: is null in 80 of 400 labelled rows; say .* by COALESCE"),
        ("POW(CAST(k AS DOUBLE), -1)", r"weight: is infinite in 80 of 400 labelled rows"),
        ("0 * k", r"weight: is 0 in all 400 labelled rows, which leaves nothing to learn"),
    ],
)
def test_weights_that_mean_nothing_are_refused_by_row_count(
    made: Project, weight: str, said: str
) -> None:
    with pytest.raises(DataRefused, match=said):
        made.prepare(**weigh(weight))


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("kk", r"\[training\] weight: there is no column 'kk'; did you mean 'k'"),
        ("SUM(k)", r"\[training\] weight: is an aggregate"),
        ("k > 1", r"weight: gives Boolean, and must be a number; write CASE WHEN k > 1 THEN 2"),
        ("c", r"weight: gives String, and must be a number; write CAST"),
        ("c + )", r"\[training\] weight: "),
    ],
)
def test_wrong_expressions_are_refused_before_any_work(
    made: Project, weight: str, said: str
) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match=said):
        made.plan(**weigh(weight))


def test_expression_that_fails_on_the_data_is_named(made: Project) -> None:
    with pytest.raises(DefinitionError, match=r"\[training\] weight: fails on the data: division"):
        made.prepare(**weigh("1.0 / k"))


def test_column_of_weights_is_no_feature_unless_it_is_used_for_more(made: Project) -> None:
    made.write(ROWS.with_columns(w=pl.lit(2.0)))

    def features(weight: str) -> set[str]:
        text = define(**weigh(weight)).replace("[features]", "[unused]").partition("[unused]")
        rest = text[2].partition("[training]")
        (made.folder / "made.toml").write_text(text[0] + rest[1] + rest[2])
        return set(plan_retrain("made.toml", None).features.expressions)

    assert features("w") == {"x", "k", "c"}
    assert features("w * k") == {"x", "k", "c", "w"}


def test_a_mistake_that_costs_nothing_in_any_row_is_refused(made: Project) -> None:
    free = 'cost = { false_alarm = 1, missed = "0 * k" }'
    said = r"\[serving.cost\] missed: is 0 in all 400 labelled rows, which makes one answer always"
    with pytest.raises(DataRefused, match=said):
        made.prepare(serving=free)


def test_a_blank_weight_is_refused_for_what_it_is(made: Project) -> None:
    made.write(ROWS)
    with pytest.raises(
        DefinitionError, match=r"\[training\] weight: must be text that is not blank"
    ):
        made.plan(training='weight = " "')
