"""Type inference: the type of each column, and what the query must convert.

Responsible for a source's options and the query of a proposed definition. Not responsible for what
columns are used for: target and features are chosen later.
"""

from pathlib import Path

import polars as pl
from pydantic import Field

from tasks.core.data_sections import Extract, Source
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import ColumnsMissing, NumbersLost, SourceChanged, SourceError
from tasks.core.model_sections import Target
from tasks.core.sql import quote_name
from tasks.core.wording import list_few
from tasks.init.csv_dialect import find_no_header, open_as_text, sniff_source
from tasks.init.text_columns import TextColumn, infer_text_columns, list_notes
from tasks.sources.query import (
    PATTERN,
    SourceTable,
    collect,
    event_time,
    is_pattern,
    open_table,
    plan_query,
)


class InferredTypes(Frozen):
    """How a table is read: its source, and the SQL by which its query converts columns.

    `missing` are the texts that stand for missing values, by column; `row_number` is the column
    that numbers the rows, where they need one.
    """

    name: str
    source: Source
    missing: dict[str, tuple[str, ...]] = Field(default={})
    conversions: dict[str, str] = Field(default={})
    notes: tuple[str, ...] = ()
    no_header: str = ""
    time: str | None = None
    timed_rows_only: bool = False
    row_number: str | None = None

    @property
    def query(self) -> str | None:
        """Give the SQL that converts columns, numbers rows, and leaves out those without a time."""
        if not (self.conversions or self.timed_rows_only or self.row_number):
            return None
        listed = [f"  {sql} AS {quote_name(name)}" for name, sql in self.conversions.items()]
        chosen = " REPLACE (\n" + ",\n".join(listed) + "\n)" if listed else ""
        time = self.conversions.get(self.time or "", quote_name(self.time or ""))
        kept = f"WHERE {time} IS NOT NULL\n" if self.timed_rows_only else ""
        if self.row_number:
            chosen += f", ROW_NUMBER() OVER () AS {quote_name(self.row_number)}"
        return f"SELECT *{chosen}\nFROM {quote_name(self.name)}\n{kept}"

    def define(self, *, timed: bool = True) -> Definition:
        """Say as much of a definition as it takes to open the table, or to know its time."""
        return Definition(
            name="draft",
            sources={self.name: self.source},
            extract=Extract(query=None, time=self.time if timed else None),
            target=Target(value="1", kind="regression"),
            features=None,
        )

    def convert(self, opened: SourceTable) -> SourceTable:
        """Run the query over the opened source; to open it again would infer every type again."""
        rows = plan_query(self.query, {self.name: opened.rows})
        columns = rows.collect_schema()
        time = event_time(self.define(), columns)
        return opened.model_copy(update={"rows": rows, "columns": columns, "time": time})


def read_table(data: str, name: str, project: Path) -> tuple[InferredTypes, SourceTable]:
    """Infer the type of every column, and open the table with these types.

    SourceError where the files are no table, or cannot be read.
    """
    source, files = sniff_source(data, project)
    inferred = InferredTypes(name=name, source=source)
    if source.format != "csv":
        return _read_typed(*_open_lossless(inferred, project))
    as_text = open_as_text(source, files)
    _refuse_patterns(as_text)
    texts = infer_text_columns(as_text, source.separator)
    missing = {column: text.missing for column, text in texts.items() if text.missing}
    levels = {token for text in texts.values() for token in text.levels}
    tokens = {token for each in missing.values() for token in each} - levels
    source = source.model_copy(update={"null_values": tuple(sorted(tokens))})
    no_header = find_no_header(as_text, texts)
    if no_header and any("_duplicated_" in column for column in as_text.columns):
        raise SourceError(f"{files[0]}: {no_header}")
    notes = (no_header,) * bool(no_header) + list_notes(texts)
    inferred = InferredTypes(
        name=name, source=source, missing=missing, notes=notes, no_header=no_header
    )
    inferred, opened = _infer_types(inferred, texts, project)
    still = {column: text for column, text in texts.items() if opened.columns[column] == pl.String}
    return inferred.model_copy(update={"conversions": _convert(still, tokens)}), opened


def _read_typed(inferred: InferredTypes, opened: SourceTable) -> tuple[InferredTypes, SourceTable]:
    """Convert texts of a file that has types; whole numbers that it keeps as text are codes."""
    _refuse_patterns(opened)
    texts = {
        column: text
        for column, text in infer_text_columns(opened, inferred.source.separator).items()
        if text.doubt or (text.number and (text.missing or not (text.plain and text.whole)))
    }
    change = {
        "missing": {column: text.missing for column, text in texts.items() if text.missing},
        "conversions": _convert(texts, set()),
        "notes": (*inferred.notes, *list_notes(texts)),
    }
    return inferred.model_copy(update=change), opened


def _convert(texts: dict[str, TextColumn], null_values: set[str]) -> dict[str, str]:
    """Give the SQL of the columns that are numbers.

    What stands for missing in one column may be a value in another: it is then no null value of the
    whole source, and the cast must tolerate it.
    """
    return {
        column: text.number if null_values.issuperset(text.missing) else text.tolerant or ""
        for column, text in texts.items()
        if text.number
    }


def give_types(inferred: InferredTypes, types: dict[str, str]) -> InferredTypes:
    """Give columns a type in the source's `types`, beside those that are there."""
    source = inferred.source.model_copy(update={"types": inferred.source.types | types})
    return inferred.model_copy(update={"source": source})


def _infer_types(
    inferred: InferredTypes, texts: dict[str, TextColumn], project: Path
) -> tuple[InferredTypes, SourceTable]:
    """Keep as text what Polars would read as another number, or as none.

    Polars infers a type from the first rows, and later ones may not have it.
    """
    inferred, opened = _open_lossless(inferred, project)
    types = {
        column: "text"
        for column, dtype in opened.columns.items()
        if dtype.is_numeric() and column in texts  # the others are of folders
        if texts[column].code or (texts[column].number and not texts[column].plain)
    }
    if types:
        inferred = give_types(inferred, types)
        opened = open_table(inferred.define(), project)
    if _is_readable(opened, list(opened.columns)):
        return inferred, opened
    odd = [column for column in opened.columns if not _is_readable(opened, [column])]
    types = {column: "number" if texts[column].plain else "text" for column in odd}
    inferred = give_types(inferred, types)
    return inferred, open_table(inferred.define(), project)


def _is_readable(opened: SourceTable, columns: list[str]) -> bool:
    try:
        collect(opened, opened.rows.select(pl.col(columns).null_count()))
    except SourceChanged:
        raise
    except SourceError:
        return False
    return True


def _open_lossless(inferred: InferredTypes, project: Path) -> tuple[InferredTypes, SourceTable]:
    """Open a source with each column as text whose numbers would not be those that are written.

    A column that not every file has, as those that came later, is null where it is missing.
    """
    while True:
        try:
            return inferred, open_table(inferred.define(), project)
        except NumbersLost as lost:
            inferred = give_types(inferred, {lost.column: "text"})
        except ColumnsMissing as some:
            source = inferred.source.model_copy(update={"missing_columns": "null"})
            note = f"not in every file, and null where missing: {list_few(some.columns)}"
            inferred = inferred.model_copy(
                update={"source": source, "notes": (*inferred.notes, note)}
            )


def _refuse_patterns(table: SourceTable) -> None:
    for column in table.columns:
        if is_pattern(column):
            raise SourceError(f"column {column!r} {PATTERN}")
