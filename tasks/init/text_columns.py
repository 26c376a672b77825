"""Text columns: whether they hold numbers or codes, and which texts stand for missing values.

Not responsible for how numbers are written: `decimal_separators` is.
"""

import re

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.wording import list_few
from tasks.init.column_statistics import count_values, measure
from tasks.init.decimal_separators import (
    Counts,
    NumberFormat,
    count_marks,
    count_plain,
    has_mixed_formats,
    infer_decimal_mark,
    infer_number_format,
    is_code,
    may_be_numbers,
)
from tasks.sources.query import SourceTable

_MISSING = (
    *("?", "NA", "na", "N/A", "n/a", "<NA>", "NaN", "nan", "NaT", "NULL", "null", r"\N"),
    *("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "-", "--", ""),
)
_LEVELS = ("-", "--", "")  # signs for missing that may be one of two values: plus and minus
_MOST_WORDS, _MOST_CODES, _NUMBERS = 3, 20, 0.9  # few words among many numbers mean missing


class TextColumn(Frozen):
    """How a text column writes its values. `number` is SQL that reads them as numbers.

    `tolerant` is the same where texts that are no number are missing. `levels` look like signs for
    missing, but are values here: the minus of plus and minus. `code` is text that is no number,
    though it may read like one: 007, or more digits than a number keeps.
    """

    number: str | None = None
    tolerant: str | None = None
    plain: bool = False
    whole: bool = False
    code: bool = False
    missing: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    note: str = ""
    doubt: str = ""


def infer_text_columns(table: SourceTable, separator: str) -> dict[str, TextColumn]:
    """Tell for each text column whether it holds numbers, and what stands for missing."""
    values = {
        name: (text := pl.col(name).str.strip_chars()).filter(~text.is_in(_MISSING))
        for name, dtype in table.columns.items()
        if dtype == pl.String
    }
    counts = measure(table, {name: count_plain(each) for name, each in values.items()})
    likely = {name: each for name, each in values.items() if may_be_numbers(counts[name])}
    marks = {name: count_marks(each) for name, each in count_values(table, likely)}
    decimal = infer_decimal_mark(counts.values(), marks.values(), separator)
    formats = {
        name: infer_number_format(each, marks.get(name), _share_of_numbers(each), decimal)
        for name, each in counts.items()
    }
    odd = {}
    for name, form in formats.items():
        different = pl.col(name).unique(maintain_order=True)
        text = different.str.strip_chars()
        strange = text.is_in(_MISSING) | (~form.fits(text) if form else False)
        odd[name] = {"tokens": different.filter(strange).implode()}
    return {
        name: _describe_text(name, each["tokens"], counts[name], marks.get(name), formats[name])
        for name, each in measure(table, odd).items()
    }


def list_notes(columns: dict[str, TextColumn]) -> tuple[str, ...]:
    """Say what is read otherwise than it is written, and where another reading fits too."""
    converted = [f"{name} ({column.note})" for name, column in columns.items() if column.note]
    codes = [name for name, column in columns.items() if column.code]
    notes = [f"read as numbers: {list_few(converted)}"] if converted else []
    if codes:
        notes.append(f"kept as text, for 007 is not 7: {list_few(codes)}")
    return *notes, *(f"{name}: {column.doubt}" for name, column in columns.items() if column.doubt)


def _share_of_numbers(counts: Counts) -> float:
    """Give the share of values that must be numbers; among few codes a word is one more code."""
    return 1.0 if counts["distinct"] <= _MOST_CODES else _NUMBERS


def _describe_text(
    name: str, found: list[str], counts: Counts, marks: Counts | None, form: NumberFormat | None
) -> TextColumn:
    signs = tuple(sorted(token for token in found if token.strip() in _MISSING))
    words = [token for token in found if token.strip() not in _MISSING]
    wordy = len(words) > _MOST_WORDS or any(re.search(r"\d", word) for word in words)
    example = (marks or {}).get("example") or ""
    if form and not wordy:
        return TextColumn(
            number=form.write(name, "CAST"),
            tolerant=form.write(name, "TRY_CAST"),
            plain=form.plain,
            whole=form.whole,
            missing=tuple(sorted(found)),
            note=f"{example!r} is {form.read(example)}" if not form.plain else "",
            doubt=_doubt(form, example),
        )
    levels = [token for token in signs if counts["distinct"] < 2 and token.strip() in _LEVELS]
    code = is_code(counts, _share_of_numbers(counts))
    mixed = f"numbers in more than one form, as in {example!r}: kept as text, mend it in the file"
    return TextColumn(
        missing=tuple(sorted({*signs} - {*levels})),
        levels=tuple(levels),
        code=code,
        doubt=mixed if marks and not code and has_mixed_formats(counts, marks) else "",
    )


def _doubt(form: NumberFormat, example: str) -> str:
    if form.sure:
        return ""
    mark = form.thousands or form.decimal
    other = "a decimal mark" if form.thousands else "a mark of thousands"
    return f"{example!r} is read as {form.read(example)}, but {mark!r} could be {other}, too"
