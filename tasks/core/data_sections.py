"""The definition's sections about data: [sources], [extract], [tables] and [checks].

Responsible for their keys and for which keys exclude each other. Not responsible for the data:
whether a column exists is checked where sources are opened (`sources`) and by `definition_check`.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tasks.core.durations import Duration, Period
from tasks.core.errors import hide_password

WORD, TEXT = r"^[A-Za-z_]\w*$", r"\S"
_DATABASES = ("postgresql", "postgres")
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
    """A part of the file: frozen, strict, without unknown keys. `true` and "1" are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Source(Section):
    """A table in files (Parquet, CSV or NDJSON; a path, a glob or s3://) or in PostgreSQL.

    With `missing_columns = "null"` a column that a file lacks is null in its rows. In a database,
    `partitions` equal ranges of the column `partition_on` are read at the same time.
    """

    uri: Annotated[str, AfterValidator(_check_uri)]
    format: Literal["parquet", "csv", "ndjson"] = "parquet"
    separator: str = Field(default=",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ()
    types: dict[str, ColumnType] = {}
    missing_columns: Literal["refuse", "null"] = "refuse"
    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, pattern=TEXT)
    partition_on: str | None = None
    partitions: int = Field(default=4, ge=1, le=256)

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
    query: str | None = Field(default=None, pattern=TEXT)
    time: str | None = None
    time_zone: str = "UTC"
    key: tuple[str, ...] = ()
    window: Period | None = None

    @model_validator(mode="after")
    def _key_names_each_column_once(self) -> Self:
        if len(set(self.key)) < len(self.key):
            raise ValueError("key names a column twice")
        return self


class FeatureTable(Section):
    """A table joined to rows by entity, as it was known at each row's time (point in time).

    An event counts from `known_after` its time on, and until `over` after its time, when values
    aggregate all that count. Without `over` the latest event counts; without `time` each entity has
    one row, which always counts.
    """

    source: str
    entity: tuple[str, ...] = Field(min_length=1)
    time: str | None = None
    known_after: Duration = timedelta(0)
    over: Period | None = None
    values: dict[Annotated[str, Field(pattern=WORD)], str] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_make_sense(self) -> Self:
        if len(set(self.entity)) < len(self.entity):
            raise ValueError("entity names a column twice")
        if self.time is None and (self.over or self.known_after):
            raise ValueError("over and known_after need time: when an event happened")
        if self.over is not None and self.over <= self.known_after:
            raise ValueError("over must be longer than known_after, or no event ever counts")
        return self


class ColumnCheck(Section):
    """The rule for one column of the extracted table; shares of its rows may break parts of it."""

    type: Literal["number", "text", "boolean", "time"] | None = None
    nulls: Share = 1.0
    infinite: Share = 0.0
    min: float | None = None
    max: float | None = None
    outside: Share = 0.0
    values: tuple[str, ...] | None = None
    unseen: Share = 0.0

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
    duplicates: Share = 0.0
    unlabelled: Share = 0.5
    max_age: Period | None = None
    max_silence: Period | None = None
    label_rate: tuple[Share, Share] | None = None
    allow_future: bool = False
    columns: dict[str, ColumnCheck] = {}
