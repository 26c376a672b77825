"""What a model is: its sources, query, target, features, checks and gate, read from one TOML file.

Knows the file and its keys. Refuses to know the data: whether a column exists is asked where the
sources are opened (`extraction.open_table`) and where features are compiled (`features`).
"""

import hashlib
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from tasks.errors import DefinitionError, nearest

DEFINITIONS = Path("deployments")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Frozen(BaseModel):
    """A small value that cannot change and takes no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_duration(text: object) -> object:
    """Turn `30m`, `6h`, `180d` or `2w` into a timedelta; leave anything else to pydantic."""
    if not isinstance(text, str):
        return text
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write a number and m, h, d or w, as in '180d'")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _parse_holdout(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Share = Annotated[float, Field(ge=0, le=1)]
Kind = Literal["binary", "multiclass", "regression"]
Metric = Literal["auc", "log_loss", "brier", "accuracy", "macro_f1", "mae", "rmse", "r2"]
METRICS: dict[Kind, tuple[Metric, ...]] = {
    "binary": ("auc", "log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}


class Source(Frozen):
    """A table in files: a path, a glob or s3://, as Parquet, CSV or NDJSON."""

    uri: str = Field(min_length=1)
    format: Literal["parquet", "csv", "ndjson"] = "parquet"
    separator: str = Field(",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ()
    types: dict[str, Literal["integer", "number", "text", "boolean", "date", "time"]] = {}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """Accept a bare path, and take the format from its ending."""
        given = {"uri": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or "format" in given or "uri" not in given:
            return given
        endings = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "jsonl": "ndjson"}
        ending = str(given["uri"]).removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
        tabs = {"separator": "\t"} if ending == "tsv" else {}
        return {**tabs, **given, "format": endings.get(ending, "parquet")}


class Extract(Frozen):
    query: str | None = None
    time: str | None = None
    time_zone: str = "UTC"
    key: tuple[str, ...] = ()
    window: Duration | None = None


class Target(Frozen):
    value: str = Field(min_length=1)
    kind: Kind
    matures_after: Duration = timedelta(0)


class ColumnCheck(Frozen):
    """What one column of the extracted table must be; a share says how much may break it."""

    type: Literal["number", "text", "boolean", "time"] | None = None
    nulls: Share = 1.0
    infinite: Share = 0.0
    min: float | None = None
    max: float | None = None
    outside: Share = 0.0
    values: tuple[str, ...] | None = None
    unseen: Share = 0.0


class Checks(Frozen):
    """The data contract. What is left out here has a default that is on."""

    rows: int = Field(100, ge=1)
    duplicates: Share = 0.0
    unlabelled: Share = 0.5
    max_age: Duration | None = None
    label_rate: tuple[Share, Share] | None = None
    allow_future: bool = False
    columns: dict[str, ColumnCheck] = {}


class Training(Frozen):
    rounds: int = Field(1000, ge=1, le=100_000)
    early_stopping: int = Field(50, ge=0)
    stopping_share: float = Field(0.15, gt=0, lt=0.9)
    holdout: Annotated[timedelta | float, BeforeValidator(_parse_holdout)] = 0.2
    category_rows: int = Field(20, ge=1)
    category_levels: int = Field(250, ge=1, le=10_000)
    refit: bool = True
    seed: int = Field(1, ge=0)
    threads: int = Field(0, ge=0)
    params: dict[str, bool | int | float | str] = {}

    @field_validator("holdout")
    @classmethod
    def _holdout_leaves_rows(cls, value: timedelta | float) -> timedelta | float:
        if isinstance(value, timedelta):
            if not value:
                raise ValueError("the holdout must last longer than nothing")
        elif not 0.01 <= value <= 0.9:
            raise ValueError("a share between 0.01 and 0.9, or a duration as in '30d'")
        return value


class Gate(Frozen):
    metric: Metric | None = None
    margin: Share = 0.01
    second_metric: Metric | None = None
    second_margin: Share = 0.02
    calibration_margin: Share = 0.02
    slices: tuple[str, ...] | None = None
    slice_rows: int = Field(200, ge=20)
    slice_margin: Share = 0.02
    rows: int = Field(100, ge=20)
    confidence: float = Field(0.95, ge=0.8, le=0.999)


class Approval(Frozen):
    mode: Literal["manual", "auto"] = "manual"


class Serving(Frozen):
    """How answers are given, within which limits, and what is kept of them."""

    threshold: float = Field(0.5, gt=0, lt=1)
    latency_budget_ms: float = Field(50.0, gt=0)
    max_rows: int = Field(10_000, ge=1)
    max_body_mb: float = Field(16.0, gt=0)
    concurrency: int = Field(256, ge=1)
    timeout_s: float = Field(30.0, gt=0)
    log: bool = True
    log_without: tuple[str, ...] = ()
    log_keep: Duration = timedelta(days=90)
    log_flush_s: float = Field(5.0, gt=0)


class Definition(Frozen):
    """One model, whole. Equal definitions give equal digests, whatever their comments say."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    description: str = ""
    sources: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Source] = Field(min_length=1)
    extract: Extract = Extract()
    target: Target
    features: dict[Annotated[str, Field(min_length=1)], str] | None = Field(None, min_length=1)
    checks: Checks = Checks()
    training: Training = Training()
    gate: Gate = Gate()
    approval: Approval = Approval()
    serving: Serving = Serving()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.extract.query is None and len(self.sources) > 1:
            raise ValueError("[extract] query is missing: with several sources, say how they join")
        if self.extract.time is None and isinstance(self.training.holdout, timedelta):
            raise ValueError("[training] holdout is a duration, but [extract] time is not given")
        if self.extract.time is None and (self.extract.window or self.checks.max_age):
            raise ValueError("[extract] window and [checks] max_age need [extract] time")
        known = METRICS[self.target.kind]
        for key in ("metric", "second_metric"):
            metric = getattr(self.gate, key)
            if metric is not None and metric not in known:
                raise ValueError(f"[gate] {key} = {metric!r} does not fit {self.target.kind}: {known}")
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
        return self.gate.second_metric or next(
            metric for metric in METRICS[self.target.kind] if metric != self.metric
        )


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
        raise DefinitionError(f"{path}: cannot be read: {error}") from error


def parse_definition(text: str, origin: str) -> Definition:
    """Parse and validate a definition's text; errors name it by its origin."""
    try:
        return Definition.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{origin}: is not valid TOML: {error}") from error
    except ValidationError as error:
        raise DefinitionError(f"{origin}: {_explain(error)}") from error


def project_of(path: Path) -> Path:
    """Tell the folder that relative source paths start from."""
    folder = path.resolve().parent
    return folder.parent if folder.name == DEFINITIONS.name else folder


def _explain(error: ValidationError) -> str:
    """Say the first thing that is wrong, with its key and the nearest key that exists."""
    first = error.errors()[0]
    *sections, key = [str(part) for part in first["loc"]] or [""]
    where = f"[{'.'.join(sections)}] {key}" if sections else key
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key; {nearest(key, _keys_at(sections))}"
    if first["type"] == "missing":
        return f"{where}: is missing"
    said = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict) or not key else f" (got {first['input']!r})"
    return f"{where}: {said}{given}" if where else said


def _keys_at(sections: list[str]) -> list[str]:
    """List the keys that the model at this place of the file takes."""
    model: Any = Definition
    for section in sections:
        annotation = model.model_fields[section].annotation if section in model.model_fields else {}
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
        elif section == "columns":
            return list(ColumnCheck.model_fields)
        elif section == "sources":
            return list(Source.model_fields)
    return list(model.model_fields)
