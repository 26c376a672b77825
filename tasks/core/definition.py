"""What a model is: its sources, query, target, features, checks and gate, read from one TOML file.

Knows the file and its keys. Refuses to know the data: whether a column exists is asked where the
sources are opened (`sources.open_table`) and where features are compiled (`features`).
"""

import hashlib
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from tasks.core.durations import Duration, Period, ShareOrPeriod
from tasks.core.errors import DefinitionError, explain_value, first_line, hide_password, nearest
from tasks.core.hosts import HOST, MEANT_BY_HOST
from tasks.core.names import MODEL, MODEL_MEANS

DEFINITIONS = Path("deployments")
_WORD, _TEXT = r"^[A-Za-z_]\w*$", r"\S"
_SCHEDULER = r"^\w+://\S+:\d+$"
_DATABASES = ("postgresql", "postgres")
_MEANT = {
    MODEL: MODEL_MEANS,
    _WORD: "letters, digits and _, for SQL to name it by",
    _TEXT: "an SQL query; leave it out where there is one source",
    HOST: MEANT_BY_HOST,
    _SCHEDULER: "the address of a Dask scheduler, as in tcp://10.0.0.1:8786",
}


class Frozen(BaseModel):
    """A small value that cannot change and takes no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Frozen):
    """A part of the file. `true` is no number, and neither is text that looks like one."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


def _check_parameter(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be true, false, a number or text; write a list as '1,-1,0'")
    return value


def _check_uri(value: str) -> str:
    scheme = re.match(r"(\w+):/", value)
    if not value or (scheme and scheme[1] not in ("s3", *_DATABASES)):
        raise ValueError("must be a path, a glob or an address: s3:// or postgresql://")
    if scheme and scheme[1] in _DATABASES and hide_password(value) != value:
        raise ValueError("must hold no password; set PGPASSWORD in the environment")
    return value


Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
TargetKind = Literal["binary", "multiclass", "regression"]
Metric = Literal["auc", "log_loss", "brier", "accuracy", "macro_f1", "mae", "rmse", "r2"]
ColumnType = Literal["integer", "number", "text", "boolean", "date", "time"]
Parameter = Annotated[bool | int | float | str, BeforeValidator(_check_parameter)]
# A probability strays by half at most: .15 of it are .3 of its standard deviations, or more.
CALIBRATION_AT_MOST: dict[TargetKind, float] = {
    "binary": 0.15,
    "multiclass": 0.15,
    "regression": 0.3,
}
METRICS: dict[TargetKind, tuple[Metric, ...]] = {
    "binary": ("auc", "log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}


class Source(Section):
    """A table in files, as Parquet, CSV or NDJSON: a path, a glob or s3://; or in PostgreSQL.

    With `missing_columns` = null a column that a file lacks is null in it. In a database,
    `partitions` are equal ranges of the column `partition_on`, read at the same time.
    """

    uri: Annotated[str, AfterValidator(_check_uri)]
    format: Literal["parquet", "csv", "ndjson"] = "parquet"
    separator: str = Field(default=",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ()
    types: dict[str, ColumnType] = {}
    missing_columns: Literal["refuse", "null"] = "refuse"
    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, pattern=_TEXT)
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
    query: str | None = Field(default=None, pattern=_TEXT)
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
    """What an entity has lived through (`over`) or is, as known at a row's time.

    An event counts from `known_after` its time on, and until `over` after its time. Without `over`
    the latest event counts; without `time` there is nothing but what the entity is.
    """

    source: str
    entity: tuple[str, ...] = Field(min_length=1)
    time: str | None = None
    known_after: Duration = timedelta(0)
    over: Period | None = None
    values: dict[Annotated[str, Field(pattern=_WORD)], str] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_make_sense(self) -> Self:
        if len(set(self.entity)) < len(self.entity):
            raise ValueError("entity names a column twice")
        if self.time is None and (self.over or self.known_after):
            raise ValueError("over and known_after need time: when an event happened")
        if self.over is not None and self.over <= self.known_after:
            raise ValueError("over must be longer than known_after, or no event ever counts")
        return self


class Target(Section):
    value: str = Field(min_length=1)
    kind: TargetKind
    matures_after: Duration = timedelta(0)


class ColumnCheck(Section):
    """What one column of the extracted table must be; a share says how much may break it."""

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


class Training(Section):
    """How a model is trained. With Dask, `workers` of a cluster extract and learn together."""

    rounds: int = Field(default=1000, ge=1, le=100_000)
    early_stopping: int = Field(default=50, ge=0)
    stopping_share: float = Field(default=0.15, gt=0, lt=0.9)
    holdout: ShareOrPeriod = 0.2
    category_rows: int = Field(default=20, ge=1)
    category_levels: int = Field(default=250, ge=1, le=10_000)
    refit: bool = True
    seed: int = Field(default=1, ge=0)
    threads: int = Field(default=0, ge=0)
    engine: Literal["local", "dask"] = "local"
    scheduler: str | None = Field(default=None, pattern=_SCHEDULER)
    workers: int = Field(default=2, ge=1, le=1000)
    params: dict[str, Parameter] = {}

    @model_validator(mode="after")
    def _only_dask_has_a_cluster(self) -> Self:
        given = sorted({"scheduler", "workers"} & self.model_fields_set)
        if given and self.engine != "dask":
            raise ValueError(f"{given[0]} is for engine = 'dask'")
        return self


class Gate(Section):
    metric: Metric | None = None
    margin: Share = 0.01
    second_metric: Metric | None = None
    second_margin: Share = 0.02
    calibration_margin: Share = 0.02
    calibration_at_most: float | None = Field(default=None, gt=0, le=1)
    slices: tuple[str, ...] | None = None
    slice_rows: int = Field(default=200, ge=20)
    slice_margin: Share = 0.02
    rows: int = Field(default=100, ge=20)
    confidence: float = Field(default=0.95, ge=0.8, le=0.999)


class Approval(Section):
    """Who decides. `signers` is a file beside the definition, in the form of OpenSSH's."""

    mode: Literal["manual", "auto"] = "manual"
    signers: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def check_who_decides(self) -> Self:
        if self.signers and self.mode == "auto":
            raise ValueError('mode = "auto" lets nobody decide, and signers says who must')
        return self


class Serving(Section):
    """How answers are given, within which limits, and what is kept of them."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    predictor: Literal["lightgbm", "compiled"] = "lightgbm"
    latency_budget_ms: float = Field(default=100.0, gt=0)
    max_rows: int = Field(default=10_000, ge=1)
    max_body_mb: float = Field(default=16.0, gt=0)
    concurrency: int = Field(default=256, ge=1)
    timeout_s: float = Field(default=30.0, gt=0)
    hosts: tuple[Annotated[str, Field(pattern=HOST)], ...] = ()
    log: bool = True
    log_without: tuple[str, ...] = ()
    log_keep: Duration = timedelta(days=90)
    log_flush_s: float = Field(default=5.0, gt=0)


class Monitoring(Section):
    """How closely a served model is watched, and how many false alarms that may cost.

    `window` is how long a stretch of rows is judged at once; with fewer than `rows` it waits for
    more. `false_alarms` are those tolerated in a quarter of a year. `new_rows` is the share of the
    champion's training rows that must be new, and have a label, before new data is worth a retrain.
    """

    window: Period = timedelta(days=7)
    rows: int = Field(default=1000, ge=100)
    false_alarms: float = Field(default=1.0, gt=0, le=90)
    new_rows: Share = 0.1


class Definition(Section):
    """One model, whole. Equal definitions give equal digests, whatever their comments say."""

    name: str = Field(pattern=MODEL)
    description: str = ""
    sources: dict[Annotated[str, Field(pattern=_WORD)], Source] = Field(min_length=1)
    extract: Extract = Extract()
    tables: dict[Annotated[str, Field(pattern=_WORD)], FeatureTable] = {}
    target: Target
    features: dict[Name, str] | None = Field(default=None, min_length=1)
    checks: Checks = Checks()
    training: Training = Training()
    gate: Gate = Gate()
    approval: Approval = Approval()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.extract.query is None and len(self.sources) > 1:
            raise ValueError("[extract] query is missing: with several sources, say how they join")
        if self.extract.time is None and isinstance(self.training.holdout, timedelta):
            raise ValueError("[training] holdout is a duration, but [extract] time is not given")
        if self.extract.time is None and (self.extract.window or self.checks.max_age):
            raise ValueError("[extract] window and [checks] max_age need [extract] time")
        if self.checks.label_rate and self.target.kind != "binary":
            raise ValueError("[checks] label_rate is for a binary target")
        low, high = self.checks.label_rate or (0, 1)
        if low > high:
            raise ValueError(f"[checks] label_rate = [{low:g}, {high:g}]: the lower comes first")
        known = METRICS[self.target.kind]
        for key in ("metric", "second_metric"):
            metric = getattr(self.gate, key)
            if metric is not None and metric not in known:
                fitting = ", ".join(known)
                raise ValueError(
                    f"[gate] {key}: {metric} is not for {self.target.kind}; one of {fitting}"
                )
        return self

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def metric(self) -> Metric:
        """The metric that the gate judges by first."""
        return self.gate.metric or METRICS[self.target.kind][0]

    @property
    def second_metric(self) -> Metric:
        others = [metric for metric in METRICS[self.target.kind] if metric != self.metric]
        return self.gate.second_metric or others[0]

    @property
    def calibration_at_most(self) -> float:
        """Say how far predictions may be from what came true; values in standard deviations."""
        return self.gate.calibration_at_most or CALIBRATION_AT_MOST[self.target.kind]


def find_definition(model: str) -> Path:
    """Find a model's file by its name under `deployments/`, or take the file that is named."""
    if model.endswith(".toml"):
        path = Path(model)
        if not path.is_file():
            raise DefinitionError(f"{model}: there is no such definition file")
        return path
    names = {path.stem.replace("_", "-"): path for path in sorted(DEFINITIONS.glob("*.toml"))}
    if model not in names:
        raise DefinitionError(
            f"no model named {model!r} in {DEFINITIONS}/: {nearest(model, names)} "
            "(write one with `perennial init DATA --target COLUMN`)"
        )
    return names[model]


def load_definition(path: Path) -> Definition:
    """Read and validate one definition file; DefinitionError names the file and the key."""
    try:
        return parse_definition(path.read_bytes().decode("utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        hint = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise DefinitionError(f"{path}: cannot be read: {first_line(error)}{hint}") from error


def parse_definition(text: str, origin: str) -> Definition:
    """Parse and validate a definition's text; errors name it by its origin."""
    try:
        return Definition.model_validate(_freeze(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{origin}: is not valid TOML: {error}") from error
    except ValidationError as error:
        raise DefinitionError(f"{origin}: {explain_value(error, Definition, _MEANT)}") from error


def project_of(path: Path) -> Path:
    """Tell the folder that relative source paths start from."""
    folder = path.resolve().parent
    return folder.parent if folder.name == DEFINITIONS.name else folder


def _freeze(value: Any) -> Any:
    """Turn TOML's lists into tuples."""
    if isinstance(value, dict):
        return {key: _freeze(inner) for key, inner in value.items()}
    return tuple(map(_freeze, value)) if isinstance(value, list) else value
