"""The definition's sections about a model: from [training] to [serving], and its metrics.

Responsible for their keys, defaults and limits, and for what each key says in plain words: the text
below it is its description in editors and in the reference. Not responsible for the sections about
data (`data_sections`), and for what sections have to agree on (`definition`).
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from tasks.core.data_sections import WORDS, Section, Share
from tasks.core.decision_keys import Cost, Fairness, Threshold
from tasks.core.durations import Duration, Period, ShareOrPeriod
from tasks.core.hosts import HOST
from tasks.core.target_section import Target as Target
from tasks.core.target_section import TargetKind as TargetKind

SCHEDULER = r"^\w+://\S+:\d+$"


def _not_given(value: object) -> bool:
    """Keep a key that is not given out of every dump, and so out of the digest."""
    return value is None


def _check_parameter(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be true, false, a number or text; write a list as '1,-1,0'")
    return value


def _check_workers(value: object) -> object:
    if value != "auto" and not (type(value) is int and 1 <= value <= MOST_WORKERS):
        raise ValueError(f'must be a whole number from 1 to {MOST_WORKERS}, or "auto"')
    return value


MOST_WORKERS = 64
_WORKERS = {
    "anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, {"const": "auto"}]
}
Metric = Literal[
    "auc", "log_loss", "brier", "accuracy", "average_precision", "precision", "recall", "f1",
    "macro_f1", "mae", "rmse", "r2", "cost", "poisson_deviance", "gamma_deviance",
    "tweedie_deviance", "pinball_loss", "coverage_error",
]  # fmt: skip
Workers = Annotated[
    int | Literal["auto"], BeforeValidator(_check_workers), WithJsonSchema(_WORKERS)
]
Parameter = Annotated[bool | int | float | str, BeforeValidator(_check_parameter)]
# A probability strays by half at most: .15 of it are .3 of its standard deviations, or more.
CALIBRATION_AT_MOST: dict[TargetKind, float] = {
    "binary": 0.15,
    "multiclass": 0.15,
    "regression": 0.3,
}
COVERAGE_MARGIN, QUANTILE_MARGIN = 0.02, 0.05
METRICS: dict[TargetKind, tuple[Metric, ...]] = {
    "binary": (
        "auc", "log_loss", "brier", "accuracy", "average_precision", "precision", "recall", "f1",
    ),
    "multiclass": ("log_loss", "accuracy", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}  # fmt: skip
OF_QUANTILES: tuple[Metric, ...] = ("pinball_loss", "coverage_error")


HIGHER_IS_BETTER: frozenset[Metric] = frozenset(
    {"auc", "accuracy", "average_precision", "precision", "recall", "f1", "macro_f1", "r2"}
)


class Training(Section):
    """How a model is trained."""

    rounds: int = Field(default=1000, ge=1, le=100_000)
    """The most boosting rounds, that is trees of each class; early stopping settles how many.

    A table of fewer than 10,000 training rows and no time, which learns in smaller steps, may take
    3,000 where this is 1,000 and no learning_rate is given.
    """
    early_stopping: int = Field(default=50, ge=0)
    """After how many rounds without gain on the training window's last slice to stop; 0: never."""
    stopping_share: float = Field(default=0.15, gt=0, lt=0.9)
    """How much of the training window that last slice is, as a share of its rows."""
    holdout: ShareOrPeriod = 0.2
    """The newest rows, kept for judging: a share of all, or a duration before as-of, as `30d`."""
    category_rows: int = Field(default=20, ge=1)
    """A level of a category with fewer rows shares one code with all other rare levels."""
    category_levels: int = Field(default=250, ge=1, le=10_000)
    """How many levels of a category have a code of their own; the most frequent ones do."""
    calibrate: Literal["auto", "never"] = Field(
        default="auto", exclude_if=lambda value: value == "auto"
    )
    """Recalibrate probabilities (auto) where the training window's last slice shows that they are
    off by more than [gate] calibration_margin, and that it gains; or never do. Without early
    stopping there is no such slice, and nothing is recalibrated."""
    group: str | None = Field(default=None, min_length=1, exclude_if=lambda group: group is None)
    """A column or row-wise SQL, as in `customer_id`: no value of it is on both sides of a split,
    and the bootstrap draws values of it rather than rows."""
    refit: bool = True
    """Fit what passed its gate once more on all matured rows, where there is [extract] time."""
    seed: int = Field(default=1, ge=0)
    """Where chance begins: the same seed, data and code give the same model."""
    threads: int = Field(default=0, ge=0)
    """Threads to train with; 0: as many as the process may use."""
    engine: Literal["local", "dask"] = "local"
    """Where extraction and training run: in one process, or on a Dask cluster."""
    scheduler: str | None = Field(default=None, pattern=SCHEDULER)
    """The address of a Dask scheduler, as in `tcp://10.0.0.1:8786`; left out: a cluster here."""
    workers: int = Field(default=2, ge=1, le=1000)
    """How many workers of the Dask cluster train together."""
    weight: str | None = Field(default=None, pattern=WORDS, exclude_if=_not_given)
    """Row-wise SQL of how much a row counts, as in `CASE WHEN returned THEN 3 ELSE 1 END`: in
    fitting, metrics and gate; 0 leaves a row out. Left out: every row counts alike."""
    folds: int | None = Field(default=None, ge=2, le=20, exclude_if=lambda folds: folds is None)
    """Into how many folds the newer half of the training window is cut, each judged by a model of
    what was known before it: how the metrics spread over time. Needs [extract] time."""
    monotone: dict[str, Literal[-1, 1]] = Field(default={}, exclude_if=lambda given: not given)
    """Features by which predictions only rise (1) or only fall (-1), as in `{ age = 1 }`."""
    interactions: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = Field(
        default=(), exclude_if=lambda given: not given
    )
    """Sets of features: only those of one set meet in a tree's branch, as in `[["a", "b"]]`. All
    that are in none are one more set."""
    params: dict[str, Parameter] = Field(default={})
    """LightGBM's own parameters, as in `num_leaves = 63`; write a list as text: `'1,-1,0'`."""

    @model_validator(mode="after")
    def _only_dask_has_a_cluster(self) -> Self:
        given = sorted({"scheduler", "workers"} & self.model_fields_set)
        if given and self.engine != "dask":
            raise ValueError(f"{given[0]} is for engine = 'dask'")
        return self


class Gate(Section):
    """What a candidate must show before it may be the champion."""

    metric: Metric | None = None
    """What is judged first; left out: auc, log_loss or rmse, by the target's kind, the deviance of
    a poisson, gamma or tweedie objective, or the pinball loss of quantiles."""
    margin: Share = 0.01
    """How much worse than the champion still counts as no worse, as a share of its metric."""
    second_metric: Metric | None = None
    """A metric that must not pay for the first; left out: the next one for the target's kind."""
    second_margin: Share = 0.02
    """How much worse the second metric may be, as a share of the champion's."""
    calibration_margin: Share = 0.02
    """How much larger than the champion's the calibration error may be."""
    calibration_at_most: float | None = Field(default=None, gt=0, le=1)
    """The largest calibration error, champion or not; of a regression in standard deviations, or
    means of counts and amounts if those are smaller. Left out: 0.15, and 0.3 of a regression."""
    at_least: dict[str, float] | None = Field(default=None, min_length=1, exclude_if=_not_given)
    """What a metric must be proven to reach, champion or not, as in `{ auc = 0.7 }`: the whole of
    its interval has to."""
    at_most: dict[str, float] | None = Field(default=None, min_length=1, exclude_if=_not_given)
    """What a metric that is better when lower must be proven to stay below, as `at_least`."""
    at_least_by_slice: dict[str, float] | None = Field(
        default=None, min_length=1, exclude_if=_not_given
    )
    """What a metric must be proven to reach on each slice that has rows enough."""
    at_most_by_slice: dict[str, float] | None = Field(
        default=None, min_length=1, exclude_if=_not_given
    )
    """What a metric that is better when lower must stay below on each slice, as proven."""
    fairness: Fairness | None = Field(default=None, exclude_if=_not_given)
    """Groups whose rates may differ by so much, as in `{ by = ["sex"], at_most = 0.1 }`."""
    slices: tuple[str, ...] | None = None
    """Columns or SQL expressions: no group of rows that they make may get worse. Left out: the
    categories with few levels."""
    naive: dict[str, str] = Field(default={}, exclude_if=lambda naive: not naive)
    """Naive predictions of a regression to beat besides the mean: a name, and row-wise SQL, as in
    `{ "same as last week" = "last_week" }`."""
    slice_rows: int = Field(default=200, ge=20)
    """Slices with fewer rows are not judged."""
    slice_margin: Share = 0.02
    """How much worse a slice may be, as a share of the champion's metric there."""
    coverage_margin: Share | None = Field(default=None, exclude_if=_not_given)
    """How many fewer rows than [serving] interval may lie in their interval, as a share of all, or
    how far the share below one of [target] quantiles may be off. Left out: 0.02, and 0.05."""
    rows: int = Field(default=100, ge=20)
    """The fewest rows of a holdout that anything is judged by."""
    worst_fold: float | None = Field(default=None, exclude_if=lambda bound: bound is None)
    """What the metric may come to in the worst of [training] folds, as in 0.65 for auc; refused is
    what is surely worse, by the fold's interval."""
    confidence: float = Field(default=0.95, ge=0.8, le=0.999)
    """How sure the gate must be: the confidence of its intervals."""


class Approval(Section):
    """Who approves."""

    mode: Literal["manual", "auto"] = "manual"
    """A person approves (manual), or what passes its gate is released without one (auto)."""
    signers: str | None = Field(default=None, min_length=1)
    """A file beside the definition, as OpenSSH's allowed_signers, of whose signature counts."""

    @model_validator(mode="after")
    def _check_who_decides(self) -> Self:
        if self.signers and self.mode == "auto":
            raise ValueError('mode = "auto" lets nobody decide, and signers says who must')
        return self


class Serving(Section):
    """How predictions are served, by how many processes, within which limits; and their log."""

    threshold: Threshold = 0.5
    """From which probability on the answer of a binary model is yes; auto: chosen on the stopping
    slice, by the least cost, or by F1 where no cost is given."""
    cost: Cost | None = Field(default=None, exclude_if=_not_given)
    """What a mistake of a binary model costs, as in `{ false_alarm = 1, missed = 20 }`."""
    interval: float | None = Field(default=None, ge=0.5, le=0.99, exclude_if=_not_given)
    """Which share of values is to lie in the interval that a regression answers beside its
    prediction, as in 0.9; left out: no interval is answered."""
    predictor: Literal["lightgbm", "compiled"] = "lightgbm"
    """What predicts; compiled gives the same answers for many rows at once, sooner."""
    latency_budget_ms: float = Field(default=100.0, gt=0)
    """The longest that 99 of 100 requests with one row may take, in milliseconds."""
    max_rows: int = Field(default=10_000, ge=1)
    """The most rows of one request."""
    max_body_mb: float = Field(default=16.0, gt=0)
    """The largest body of one request, in megabytes."""
    concurrency: int = Field(default=256, ge=1)
    """How many requests are answered at once; one too many is asked to come back."""
    workers: Workers = 1
    """How many processes answer on one port; auto: one for each core."""
    timeout_s: float = Field(default=30.0, gt=0)
    """The longest that one request may take, in seconds."""
    hosts: tuple[Annotated[str, Field(pattern=HOST)], ...] = ()
    """Names that requests may give as Host, beside localhost and addresses; '*' is any."""
    log: bool = True
    """Keep what was asked and answered, for the monitor."""
    log_without: tuple[str, ...] = ()
    """Columns that are never logged."""
    log_keep: Duration = timedelta(days=90)
    """How long the prediction log is kept."""
    log_flush_s: float = Field(default=5.0, gt=0)
    """How often the prediction log is written, in seconds."""
    follow_base_rate: Period | None = Field(default=None, exclude_if=lambda value: value is None)
    """Move all log odds as matured labels say that the base rate has moved, a label counting by
    half for each so long of its age, as in `7d`, for a binary target; left out: never."""
