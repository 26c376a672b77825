"""The definition's sections about data: [sources], [extract], [features], [tables], [checks].

Responsible for their keys and for which keys exclude each other. Not responsible for the data:
whether a column exists is checked where sources are opened (`sources`) and by `definition_check`.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from tasks.core.durations import Duration, Period
from tasks.core.errors import hide_password

WORD, TEXT, WORDS = r"^[A-Za-z_]\w*$", r"\S", r"\S[\s\S]*"
UNIT = r"^\S(?:[^\n\r]*\S)?$"
FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
_DATABASES = ("postgresql", "postgres")
MEANT_BY_DATA = {
    WORD: "letters, digits and _, for SQL to name it by",
    WORDS: "text that is not blank",
    TEXT: "an SQL query; leave it out where there is one source",
    UNIT: "a word or two, as in minutes",
    FUNCTION: "a module and a function of this project, as in 'churn.features:tenure_days'",
}
Share = Annotated[float, Field(ge=0, le=1)]
ColumnType = Literal["integer", "number", "text", "boolean", "date", "time"]


def _check_uri(value: str) -> str:
    scheme = re.match(r"(\w+):/", value)
    if not value or (scheme and scheme[1] not in ("s3", *_DATABASES)):
        raise ValueError("must be a path, a glob or an address: s3:// or postgresql://")
    if scheme and scheme[1] in _DATABASES and hide_password(value) != value:
        raise ValueError("must hold no password; set PGPASSWORD in the environment")
    return value


class Section(BaseModel):
    """A part of the file: frozen, strict, without unknown keys. `true` and "1" are no numbers.

    The text below a key is its description.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Source(Section):
    """A table in files (Parquet, CSV or NDJSON; a path, a glob or s3://) or in PostgreSQL."""

    uri: Annotated[str, AfterValidator(_check_uri)]
    """A path, a glob or an address: s3://bucket/key, or postgresql://user@host/database."""
    format: Literal["parquet", "csv", "ndjson"] = "parquet"
    """How the files are written; left out: by their ending."""
    separator: str = Field(default=",", min_length=1, max_length=1)
    """What stands between the cells of a CSV file; a tab where files end in .tsv."""
    null_values: tuple[str, ...] = ()
    """What stands for a missing value in CSV, as in ["?", "NA"]."""
    types: dict[str, ColumnType] = {}
    """The type of a column by name, where the files leave it open."""
    missing_columns: Literal["refuse", "null"] = "refuse"
    """What becomes of a column that some files lack: it is refused, or null in their rows."""
    table: str | None = Field(default=None, min_length=1)
    """The table of a database to read; give either this or query."""
    query: str | None = Field(default=None, pattern=TEXT)
    """What to ask a database, in its own SQL; give either this or table."""
    partition_on: str | None = None
    """A column whose range is divided, so that its parts are read from a database at once."""
    partitions: int = Field(default=4, ge=1, le=256)
    """Into how many equal ranges partition_on is divided."""

    @property
    def in_database(self) -> bool:
        return self.uri.startswith(tuple(f"{name}://" for name in _DATABASES))

    @model_validator(mode="after")
    def _keys_fit_the_address(self) -> Self:
        theirs = {"table", "query", "partition_on", "partitions"}
        ours = {"format", "separator", "null_values", "types", "missing_columns"}
        for key in sorted((ours if self.in_database else theirs) & self.model_fields_set):
            if key != "format" or self.format != "parquet":
                other = "files" if self.in_database else "postgresql://"
                raise ValueError(f"{key} is for {other}")
        if self.in_database and (self.table is None) == (self.query is None):
            raise ValueError("postgresql:// needs either table or query")
        return self

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """Accept a bare path, and take the format from its ending."""
        given = {"uri": value} if isinstance(value, str) else value
        if not isinstance(given, dict):
            raise ValueError("must be a path, a glob or s3://, or a table that has it as uri")
        if "format" in given or "uri" not in given:
            return given
        endings = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "jsonl": "ndjson"}
        name = str(given["uri"]).lower().removesuffix(".gz").removesuffix(".zst")
        ending = name.rpartition(".")[2]
        tabs = {"separator": "\t"} if ending == "tsv" else {}
        return {**tabs, **given, "format": endings.get(ending, "parquet")}


class Extract(Section):
    """Which rows and columns are taken from the sources, and what tells rows apart."""

    query: str | None = Field(default=None, pattern=TEXT)
    """Polars SQL over the sources; left out: all of the one source."""
    time: str | None = None
    """The column with a row's event time; without it rows are split by a hash of the key."""
    time_zone: str = "UTC"
    """The zone of times that carry none, as in Europe/Berlin."""
    key: tuple[str, ...] = ()
    """The columns that identify a row, and join a prediction to what came true."""
    window: Period | None = None
    """How much history before as-of to train on; left out: all of it."""

    @model_validator(mode="after")
    def _key_names_each_column_once(self) -> Self:
        if len(set(self.key)) < len(self.key):
            raise ValueError("key names a column twice")
        return self


class PythonFeature(Section):
    """A function of the project's own that gives a Polars expression, from these columns' ones."""

    python: str = Field(pattern=FUNCTION)
    """The module and the function, as in 'churn.features:tenure_days'."""
    columns: tuple[str, ...] = ()
    """The columns whose expressions the function takes, in this order."""

    def __str__(self) -> str:
        return f"{self.python}({', '.join(self.columns)})"


def _kind_of_feature(value: object) -> str:
    return "[python]" if isinstance(value, dict | PythonFeature) else "[sql]"


Feature = Annotated[
    Annotated[str, Tag("[sql]")] | Annotated[PythonFeature, Tag("[python]")],
    Discriminator(_kind_of_feature),
]


class FeatureTable(Section):
    """A table joined to rows by entity, as it was known at each row's time (point in time).

    An event counts from `known_after` its time on, and until `over` after its time, when values
    aggregate all that count. Without `over` the latest event counts; without `time` each entity has
    one row, which always counts.
    """

    source: str
    """The source that the values come from, by its name."""
    entity: tuple[str, ...]
    """The columns that name an entity, in the source and in [extract] query; [] where all rows look
    up the same, as in a series: then time is needed."""
    time: str | None = None
    """When an event happened; without it each entity has one row, which always counts."""
    known_after: Duration = timedelta(0)
    """How long after its time an event is known."""
    over: Period | None = None
    """Until how long after its time an event counts; without it the latest event does."""
    values: dict[Annotated[str, Field(pattern=WORD)], str] = Field(min_length=1)
    """A name and its SQL: AVG, SUM or COUNT with `over`, or else row-wise."""

    @model_validator(mode="after")
    def _keys_make_sense(self) -> Self:
        if len(set(self.entity)) < len(self.entity):
            raise ValueError("entity names a column twice")
        if not self.entity and self.time is None:
            raise ValueError("entity = [] needs time, or there would be one row for all")
        if self.time is None and (self.over or self.known_after):
            raise ValueError("over and known_after need time: when an event happened")
        if self.over is not None and self.over <= self.known_after:
            raise ValueError("over must be longer than known_after, or no event ever counts")
        return self


class ColumnCheck(Section):
    """The rule for one column of the extracted table; shares of its rows may break parts of it."""

    type: Literal["number", "text", "boolean", "time"] | None = None
    """What kind of values the column must hold; left out: any."""
    nulls: Share = 1.0
    """The largest share of rows without a value."""
    infinite: Share = 0.0
    """The largest share of rows with an infinite number."""
    min: float | None = None
    """The smallest number."""
    max: float | None = None
    """The largest number."""
    outside: Share = 0.0
    """The largest share of rows that may lie outside min and max."""
    values: tuple[str, ...] | None = None
    """The values that are known; left out: any."""
    unseen: Share = 0.0
    """The largest share of rows with a value that is not among them."""

    @model_validator(mode="after")
    def _limits_leave_room(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min:g} is above max = {self.max:g}")
        if self.type not in (None, "number") and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max are for numbers, and type is {self.type!r}")
        return self


class Checks(Section):
    """The data contract. What is left out here has a default that is on."""

    rows: int = Field(default=100, ge=1)
    """The fewest rows."""
    duplicates: Share = 0.0
    """The largest share of rows that repeat a key."""
    unlabelled: Share = 0.5
    """The largest share of matured rows without a label."""
    max_age: Period | None = None
    """How old the newest row may be."""
    max_silence: Period | None = None
    """The longest time without any row; left out: 7 days, or 5 times the next longest."""
    label_rate: tuple[Share, Share] | None = None
    """The lowest and the highest share of true labels of a binary target."""
    allow_future: bool = False
    """Take event times that are later than now."""
    columns: dict[str, ColumnCheck] = {}
    """A rule for a column, by its name."""
