"""Decimal separators: decimal commas, marks of thousands, units and signs of numbers in text.

Responsible for telling whether a comma or a point is the decimal mark, and for the SQL that reads
such numbers. Not responsible for missing values.
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.sql import quote_name

_MIXED = 0.5  # of the values being numbers in one form, the rest is worth a word
_LIKELY = r"^[^0-9]{0,8}[0-9][0-9.,'\x{2019}\s]*[^0-9]{0,6}$"
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_CODE, _PADDED, _TOO_LONG = r"^[+-]?0\d+$", r"^0\d$", r"^[+-]?(\d{20,}|9[2-9]\d{17})$"
_MARKS = (
    *(("", "."), ("", ","), (",", "."), (".", ",")),
    *((" ", ","), (" ", "."), ("'", "."), ("'", ",")),
)
_BLANKS = (" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019")
_MINUSES = ("(", "-", "\u2212")
_SHARES = ("%", "‰")
_UNITS = (
    r"([A-Z]{1,2}\$|\p{Sc}|%|‰|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|"
    r"BRL|MXN|ZAR|TRY|RUB|kr\.?|zł|Kč|Ft|Fr\.)"
)

Counts = dict[str, Any]


class NumberFormat(Frozen):
    """How a column's numbers are written: their separators, and what is taken `off` them.

    It is `sure` where no other reading fits.

    >>> german = NumberFormat(thousands=".", decimal=",", off=("€", "."))
    >>> german.read("1.234,56 €")
    '1234.56'
    >>> print(NumberFormat(decimal=",").write("price", "CAST"))
    CAST(TRIM(REPLACE("price", ',', '.')) AS DOUBLE)
    """

    thousands: str = ""
    decimal: str = "."
    off: tuple[str, ...] = ()
    signed: bool = False
    whole: bool = False
    sure: bool = True

    @property
    def plain(self) -> bool:
        return self.decimal == "." and not self.off

    def fits(self, text: pl.Expr) -> pl.Expr:
        """Tell whether a text is a number in this number_format."""
        bare = text if self.plain else _bare(text)
        return bare.str.contains(_fit(self.thousands, self.decimal))

    def write(self, column: str, cast: str) -> str:
        """Write the SQL that reads a column's numbers; what it keeps of a text is no longer odd."""
        text = quote_name(column)
        for token in self.off:
            text = f"REPLACE({text}, '{token.replace(chr(39), chr(39) * 2)}', '')"
        text = f"REPLACE({text}, ',', '.')" if self.decimal == "," else text
        number = f"{cast}(TRIM({text}) AS {'BIGINT' if self.whole else 'DOUBLE'})"
        if not self.signed:
            return number
        minus = " OR ".join(f"{quote_name(column)} LIKE '%{sign}%'" for sign in _MINUSES)
        return f"{number} * CASE WHEN {minus} THEN -1 ELSE 1 END"

    def read(self, text: str) -> str:
        """Show what a text is read as."""
        minus = "-" if self.signed and any(sign in text for sign in _MINUSES) else ""
        for token in self.off:
            text = text.replace(token, "")
        return minus + text.replace(self.decimal, ".").strip().removesuffix(".")


def count_plain(values: pl.Expr) -> dict[str, pl.Expr]:
    """Count what is a number as programs write it, and what may be one as people do."""
    return {
        "values": values.len(),
        "distinct": values.n_unique(),
        "plain": values.str.contains(_PLAIN).sum(),
        "whole": values.str.contains(r"^[+-]?\d+$").sum(),
        "likely": values.str.contains(_LIKELY).sum(),
        ".": values.str.contains(".", literal=True).sum(),
        "grouped.": values.str.contains(r"^[+-]?[1-9]\d{0,2}\.\d{3}$").sum(),
        "codes": values.str.contains(_CODE).sum(),
        "padded": values.str.contains(_PADDED).sum(),
        "digits": values.str.contains(r"^\d$").sum(),
        "long": values.str.contains(_TOO_LONG).sum(),
    }


def may_be_numbers(counts: Counts) -> bool:
    """Tell whether a column may hold numbers as people write them."""
    if counts["plain"] == counts["values"]:
        return bool(0 < counts["."] == counts["grouped."])
    return bool(0 < counts["values"] * _MIXED <= counts["likely"])


def count_marks(values: pl.DataFrame) -> Counts:
    """Count how many values each pair of marks fits, and what else is written around them.

    `values` are the different ones, each with its count.
    """
    text, bare = pl.col("value"), pl.col("bare")
    found = {f"fit{place}": bare.str.contains(_fit(*pair)) for place, pair in enumerate(_MARKS)}
    for mark in ".,":
        grouped = bare.str.contains(rf"^[+-]?[1-9]\d{{0,2}}\{mark}\d{{3}}$")
        found |= {
            mark: bare.str.contains(mark, literal=True),
            f"grouped{mark}": grouped,
            f"full{mark}": grouped & bare.str.ends_with("0"),
        }
    found |= {blank: text.str.contains(blank, literal=True) for blank in _BLANKS}
    found |= {
        "signed": text.str.contains(r"^\W*\(.*\)\W*$|\d\D*-$|\x{2212}"),
        "exponents": bare.str.contains(r"\d[eE]"),
        "codes": bare.str.contains(_CODE),
        "unitless": pl.col("unit").is_null() & bare.str.contains(r"^[+-]?[\d.,' ]+$"),
    }
    known = values.with_columns(bare=_bare(text), unit=text.str.extract(_UNITS, 1))
    likely = text.filter(text.str.contains(_LIKELY))
    return known.select(
        *(pl.col("count").filter(what).sum().alias(name) for name, what in found.items()),
        units=pl.col("unit").drop_nulls().unique().sort().head(3).implode(),
        example=likely.sort_by(likely.str.len_chars(), likely, descending=True).first(),
    ).row(0, named=True)


def infer_decimal_mark(plain: Iterable[Counts], marked: Iterable[Counts], separator: str) -> str:
    """Infer whether a CSV file has a decimal comma or a decimal point.

    Columns that leave no doubt decide; else the separator does: with semicolons it is the comma.
    """
    points = sum(each["plain"] > 0 and each["."] > each["grouped."] for each in plain)
    commas = sum(each["fit1"] > each["fit0"] and each[","] > each["grouped,"] for each in marked)
    if bool(points) != bool(commas):
        return "." if points else ","
    return "," if separator == ";" else "."


def infer_number_format(
    counts: Counts, marks: Counts | None, share: float, decimal: str
) -> NumberFormat | None:
    """Infer how a column writes its numbers, at least this share of values; None if it has none.

    Where a mark can be of thousands and of decimals, `decimal` is the file's.
    """
    enough = max(1.0, share * counts["values"])
    if is_code(counts, share):
        return None
    if marks is None:
        whole = counts["whole"] == counts["plain"]
        return NumberFormat(whole=whole) if counts["plain"] >= enough else None
    pair, sure = _choose_marks(counts, marks, decimal)
    place, (thousands, point) = _MARKS.index(pair), pair
    units = tuple(marks["units"])
    mixed = len(units) > 1 or (units and units[0] in _SHARES and marks["unitless"])
    if marks[f"fit{place}"] < enough or marks["codes"] or mixed:
        return None
    blanks = tuple(blank for blank in _BLANKS if marks[blank])
    signs = ("(", ")", *_MINUSES[1:]) if marks["signed"] else ()
    return NumberFormat(
        thousands=thousands,
        decimal=point,
        off=(*units, *((thousands,) if thousands in (".", ",") else ()), *blanks, *signs),
        signed=bool(signs),
        whole=not marks[point] and not marks["exponents"],
        sure=sure,
    )


def is_code(counts: Counts, share: float) -> bool:
    """Tell whether digits are names: 007, 05 beside 5, or more digits than a number keeps."""
    padded = counts["codes"] > counts["padded"] or (counts["padded"] and counts["digits"])
    return bool(counts["plain"] >= share * counts["values"] > 0 and (padded or counts["long"]))


def has_mixed_formats(counts: Counts, marks: Counts) -> bool:
    """Tell whether a column that stays text holds numbers in more than one form."""
    best = max(marks[f"fit{place}"] for place in range(len(_MARKS)))
    return bool(best >= _MIXED * counts["values"])


def _choose_marks(counts: Counts, marks: Counts, decimal: str) -> tuple[tuple[str, str], bool]:
    """Choose the marks that fit most values; and tell whether no others do."""
    best = max(_MARKS, key=lambda pair: marks[f"fit{_MARKS.index(pair)}"])
    most = marks[f"fit{_MARKS.index(best)}"]
    for mark, as_decimal, as_thousands in ((".", 0, 3), (",", 1, 2)):
        if best != _MARKS[as_decimal] or marks[f"fit{as_thousands}"] < most or not marks[mark]:
            continue
        if marks[f"full{mark}"] and marks[mark] < most:  # 1.230 and 987: decimals would be alike
            return _MARKS[as_thousands], True
        return _MARKS[as_decimal if decimal == mark else as_thousands], False
    return best, True


def _bare(values: pl.Expr) -> pl.Expr:
    """Take units off, and write signs and spaces in one way."""
    bare = values.str.replace(rf"^([(+\-\x{{2212}}\s]*){_UNITS}", "$1")
    bare = bare.str.replace(rf"{_UNITS}([)\-\x{{2212}}\s]*)$", "$2")
    bare = bare.str.replace_all(r"\s", " ").str.replace_all("\u2019", "'", literal=True)
    bare = bare.str.replace_all("\u2212", "-", literal=True).str.strip_chars()
    bare = bare.str.replace(r"^\(\s*(.*?)\s*\)$", "-$1").str.replace(r"^(\d.*?)\s*-$", "-$1")
    return bare.str.replace(r"^([+-])\s+", "$1")


def _fit(thousands: str, decimal: str) -> str:
    """Give the pattern of numbers with these marks; commas may stand as in India, too."""
    if (thousands, decimal) == ("", "."):
        return _PLAIN
    whole = r"\d+"
    if thousands:
        whole = rf"[1-9]\d{{0,2}}(\{thousands}\d{{3}})+|\d+".replace(r"\ ", " ").replace(r"\'", "'")
    if thousands == ",":
        whole = r"[1-9]\d?(,\d\d)+,\d{3}|" + whole
    return rf"^[+-]?(({whole})(\{decimal}\d*)?|\{decimal}\d+)$"
