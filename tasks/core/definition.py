"""What a model is: everything that its one definition file says, as frozen pydantic models.

Responsible for the sections on training, judging and serving, for the definition as a whole, and
for parsing it. Not responsible for the sections about data (`data_sections`) and watching
(`watch_sections`), for where the file is (`definition_file`), and for the data itself.
"""

import hashlib
import tomllib
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tasks.core.data_sections import (
    TEXT,
    WORD,
    Checks,
    Extract,
    FeatureTable,
    Section,
    Share,
    Source,
)
from tasks.core.durations import Duration, ShareOrPeriod
from tasks.core.errors import DefinitionError, explain_value
from tasks.core.hosts import HOST, MEANT_BY_HOST
from tasks.core.names import MODEL, MODEL_MEANS
from tasks.core.schedule import Schedule
from tasks.core.watch_sections import Monitoring, Notify

_SCHEDULER = r"^\w+://\S+:\d+$"
_MEANT = {
    MODEL: MODEL_MEANS,
    WORD: "letters, digits and _, for SQL to name it by",
    TEXT: "an SQL query; leave it out where there is one source",
    HOST: MEANT_BY_HOST,
    _SCHEDULER: "the address of a Dask scheduler, as in tcp://10.0.0.1:8786",
}


class Frozen(BaseModel):
    """A value object: it cannot change, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_parameter(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be true, false, a number or text; write a list as '1,-1,0'")
    return value


def _check_workers(value: object) -> object:
    if value != "auto" and not (type(value) is int and 1 <= value <= MOST_WORKERS):
        raise ValueError(f'must be a whole number from 1 to {MOST_WORKERS}, or "auto"')
    return value


MOST_WORKERS = 64
Name = Annotated[str, Field(min_length=1)]
TargetKind = Literal["binary", "multiclass", "regression"]
Workers = Annotated[int | Literal["auto"], BeforeValidator(_check_workers)]
Metric = Literal["auc", "log_loss", "brier", "accuracy", "macro_f1", "mae", "rmse", "r2"]
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


class Target(Section):
    value: str = Field(min_length=1)
    kind: TargetKind
    matures_after: Duration = timedelta(0)


class Training(Section):
    """How a model is trained. With Dask, `workers` of a cluster extract and train together."""

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
    params: dict[str, Parameter] = Field(default={})

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
    """Who approves. `signers` is a file beside the definition, as OpenSSH's `allowed_signers`."""

    mode: Literal["manual", "auto"] = "manual"
    signers: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_who_decides(self) -> Self:
        if self.signers and self.mode == "auto":
            raise ValueError('mode = "auto" lets nobody decide, and signers says who must')
        return self


class Serving(Section):
    """How predictions are served, by how many processes, within which limits; and their log."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    predictor: Literal["lightgbm", "compiled"] = "lightgbm"
    latency_budget_ms: float = Field(default=100.0, gt=0)
    max_rows: int = Field(default=10_000, ge=1)
    max_body_mb: float = Field(default=16.0, gt=0)
    concurrency: int = Field(default=256, ge=1)
    workers: Workers = 1
    timeout_s: float = Field(default=30.0, gt=0)
    hosts: tuple[Annotated[str, Field(pattern=HOST)], ...] = ()
    log: bool = True
    log_without: tuple[str, ...] = ()
    log_keep: Duration = timedelta(days=90)
    log_flush_s: float = Field(default=5.0, gt=0)


class Definition(Section):
    """One model's whole definition. Comments and layout of its file do not change its digest."""

    name: str = Field(pattern=MODEL)
    description: str = ""
    sources: dict[Annotated[str, Field(pattern=WORD)], Source] = Field(min_length=1)
    extract: Extract = Extract()
    tables: dict[Annotated[str, Field(pattern=WORD)], FeatureTable] = Field(default={})
    target: Target
    features: dict[Name, str] | None = Field(default=None, min_length=1)
    checks: Checks = Checks()
    training: Training = Training()
    gate: Gate = Gate()
    approval: Approval = Approval()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    notify: Notify = Notify()
    schedule: Schedule = Field(default=Schedule(), exclude=True)  # makes no other model

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
                said = f"{metric} is not for {self.target.kind}; one of {', '.join(known)}"
                raise ValueError(f"[gate] {key}: {said}")
        return self

    @property
    def digest(self) -> str:
        """The SHA-256 of all that a version depends on; who is told of it is not of that."""
        told = {"notify"}
        return hashlib.sha256(self.model_dump_json(exclude=told).encode()).hexdigest()

    @property
    def metric(self) -> Metric:
        """The gate's first metric: the file's, or the usual one for its kind of target."""
        return self.gate.metric or METRICS[self.target.kind][0]

    @property
    def second_metric(self) -> Metric:
        others = [metric for metric in METRICS[self.target.kind] if metric != self.metric]
        return self.gate.second_metric or others[0]

    @property
    def calibration_at_most(self) -> float:
        """The calibration error that the gate allows; in standard deviations for a regression."""
        return self.gate.calibration_at_most or CALIBRATION_AT_MOST[self.target.kind]


def parse_definition(text: str, origin: str) -> Definition:
    r"""Parse and validate a definition's text; `origin` is how messages name it.

    Raises DefinitionError with the first key that is wrong.

    >>> text = "name = 'churn'\nsources.t = 't.csv'\ntarget = { value = 'left', kind = 'binary' }"
    >>> definition = parse_definition(text, "churn.toml")
    >>> definition.metric, definition.sources["t"].format
    ('auc', 'csv')
    """
    try:
        return Definition.model_validate(_freeze(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{origin}: is not valid TOML: {error}") from error
    except ValidationError as error:
        raise DefinitionError(f"{origin}: {explain_value(error, Definition, _MEANT)}") from error


def _freeze(value: Any) -> Any:
    """Turn TOML's lists into tuples."""
    if isinstance(value, dict):
        return {key: _freeze(inner) for key, inner in value.items()}
    return tuple(map(_freeze, value)) if isinstance(value, list) else value
