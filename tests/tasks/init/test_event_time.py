"""The event time is a column of dates that lie in the past, in nearly every row."""

from datetime import date, timedelta

from drafts import ROWS, Draft, X, Y, unwrap


def test_rows_without_the_given_time_are_left_out(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        when = f"2022-01-{1 + row // 24:02} {row % 24:02}:00"
        return f"{when if row % 50 else ''},{X[row]},{Y[row]}"

    definition, text = draft_csv("t,x,y", line, "y", time="t")
    assert 'WHERE "t" IS NOT NULL' in (definition.extract.query or "")
    assert "leaves out 12 of 600 rows that lack it" in unwrap(text)


def test_time_is_not_guessed_from_what_may_lie_ahead(draft_columns: Draft) -> None:
    due = [date(2099, 1, 1) + timedelta(days=row) for row in range(ROWS)]
    definition, text = draft_columns(columns={"due": due})
    assert definition.extract.time is None
    assert "due is later than now in 600 rows" in text


def test_day_that_could_be_a_month_is_said(draft_csv: Draft) -> None:
    _, text = draft_csv(
        "t,x,y", lambda row: f"{1 + row % 12:02}/{1 + row // 60:02}/2021,{X[row]},{Y[row]}", "y"
    )
    assert "read as %d/%m/%Y, and %m/%d/%Y fits too" in unwrap(text)
