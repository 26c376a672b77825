"""Names in a proposed definition: the model's, its source's, and a column's in SQL."""

import re
import unicodedata
from pathlib import Path

import polars as pl

from tasks.core.errors import DefinitionError
from tasks.core.names import is_model
from tasks.core.sql import quote_name


def settle_name(given: str | None, data: str) -> str:
    """Take the name that is given, or the data's; DefinitionError where it can be none.

    >>> settle_name(None, "data/flights-*.parquet")
    'flights'
    """
    if given is None:
        return slug(name_table(data), "-") or "model"
    if not is_model(given):
        rule = "small letters, digits and, between them, hyphens, 63 at most"
        hint = slug(given, "-") or "model"
        raise DefinitionError(f"--name {given!r}: a name is made of {rule}, as {hint!r}")
    return given


def name_table(data: str) -> str:
    """Name a table by its file, or by the folder where any file of a folder is meant."""
    words = [part.partition(".")[0] for part in reversed(Path(data).parts)]
    plain = (word for word in words if slug(word.partition("=")[0], "") and "=" not in word)
    return next(plain, "")


def slug(text: str, joint: str) -> str:
    """Write a text in small ASCII letters and digits, 60 characters at most.

    >>> slug("Sales Q1 (final)", "-")
    'sales-q1-final'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, plain)[:60].strip(joint)


def write_column(column: str, schema: pl.Schema) -> str:
    """Write a column in SQL, without quotes where it needs none.

    >>> schema = pl.Schema({"price": pl.Int64(), "true": pl.Int64()})
    >>> [write_column(name, schema) for name in schema]
    ['price', '"true"']
    """
    plain = re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII) and names_column(column, column)
    return column if plain else quote_name(column)


def names_column(sql: str, column: str) -> bool:
    """Tell whether SQL is read as a column, and not as a word that SQL keeps for itself."""
    try:
        return bool(pl.sql_expr(sql).meta == pl.col(column))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False
