"""What a model is: everything that its one definition file says, as frozen pydantic models.

Responsible for the definition as a whole: what its sections have to agree on, and how it is parsed.
Not responsible for the sections themselves (`data_sections`, `model_sections`, `watch_sections`,
`schedule`), for where the file is (`definition_file`), and for the data itself.
"""

import hashlib
import tomllib
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tasks.core.data_sections import (
    MEANT_BY_DATA,
    WORD,
    Checks,
    Extract,
    Feature,
    FeatureTable,
    Section,
    Source,
)
from tasks.core.deviances import Deviance, find_deviance
from tasks.core.errors import DefinitionError, explain_value
from tasks.core.gate_bounds import check_bounds, check_decision, check_metrics
from tasks.core.hosts import HOST, MEANT_BY_HOST
from tasks.core.model_card import ModelCard
from tasks.core.model_sections import (
    CALIBRATION_AT_MOST,
    COVERAGE_MARGIN,
    METRICS,
    OF_QUANTILES,
    QUANTILE_MARGIN,
    SCHEDULER,
    Approval,
    Gate,
    Metric,
    Serving,
    Target,
    Training,
)
from tasks.core.names import MODEL, MODEL_MEANS
from tasks.core.pinball import OwnLoss, Pinball
from tasks.core.quantile_checks import check_quantiles
from tasks.core.schedule import Schedule
from tasks.core.serving_checks import check_following, check_interval
from tasks.core.watch_sections import Monitoring, Notify

_MEANT = {
    MODEL: MODEL_MEANS,
    HOST: MEANT_BY_HOST,
    **MEANT_BY_DATA,
    SCHEDULER: "the address of a Dask scheduler, as in tcp://10.0.0.1:8786",
}


class Frozen(BaseModel):
    """A value object: it cannot change, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, Field(min_length=1)]


class Definition(Section):
    """One model's whole definition. Comments and layout of its file do not change its digest."""

    name: str = Field(pattern=MODEL)
    """The model's name: small letters, digits and, between them, hyphens; 63 at most."""
    description: str = ""
    """What the model is for, in words."""
    card: ModelCard = Field(default=ModelCard(), exclude_if=lambda card: card == ModelCard())
    """What a person should know of the model that no number says."""
    sources: dict[Annotated[str, Field(pattern=WORD)], Source] = Field(min_length=1)
    """Where the data comes from: a name for SQL, and a path, a glob or an address."""
    extract: Extract = Extract()
    """Which rows and columns are taken, and what tells rows apart."""
    tables: dict[Annotated[str, Field(pattern=WORD)], FeatureTable] = Field(default={})
    """What is looked up by entity rather than sent, joined as it was known at a row's time."""
    target: Target
    """What is predicted."""
    features: dict[Name, Feature] | None = Field(default=None, min_length=1)
    """Name of each feature, and its row-wise SQL expression or a function in Python; text becomes a
    category. Left out: every column but time, key and those of target, weight and group."""
    checks: Checks = Checks()
    """The data contract: what a snapshot must hold to be trained on."""
    training: Training = Training()
    """How a model is trained."""
    gate: Gate = Gate()
    """What a candidate must show before it may be the champion."""
    approval: Approval = Approval()
    """Who approves."""
    serving: Serving = Serving()
    """How predictions are served and logged."""
    monitoring: Monitoring = Monitoring()
    """How closely a served model is monitored."""
    notify: Notify = Notify()
    """Who hears what needs a person."""
    schedule: Schedule = Field(default=Schedule(), exclude=True)  # makes no other model
    """When the model is retrained, monitored and materialised by itself."""

    _threshold: float | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.extract.query is None and len(self.sources) > 1:
            raise ValueError("[extract] query is missing: with several sources, say how they join")
        if self.extract.time is None and isinstance(self.training.holdout, timedelta):
            raise ValueError("[training] holdout is a duration, but [extract] time is not given")
        if self.extract.time is None and self.training.folds is not None:
            raise ValueError("[training] folds follow each other in time: give [extract] time")
        if self.extract.time is None and (self.extract.window or self.checks.max_age):
            raise ValueError("[extract] window and [checks] max_age need [extract] time")
        if self.checks.label_rate and self.target.kind != "binary":
            raise ValueError("[checks] label_rate is for a binary target")
        low, high = self.checks.label_rate or (0, 1)
        if low > high:
            raise ValueError(f"[checks] label_rate = [{low:g}, {high:g}]: the lower comes first")
        check_following(self.target, self.extract, self.training, self.serving)
        check_quantiles(self.target, self.training, self.serving, self.gate)
        check_interval(self.target, self.training, self.serving, self.gate)
        check_decision(self.target, self.training, self.serving, self.gate)
        check_bounds(self.gate, self.target.kind, self.metrics)
        check_metrics(self.gate, self.target.kind, self.metrics)
        return self

    @property
    def digest(self) -> str:
        """The SHA-256 of all that a version depends on; who is told of it, and what, is not."""
        return hashlib.sha256(self.model_dump_json(exclude={"notify", "card"}).encode()).hexdigest()

    @property
    def deviance(self) -> Deviance | None:
        """The deviance of a regression's objective; None where it has none."""
        return find_deviance(self.training.params) if self.target.kind == "regression" else None

    @property
    def pinball(self) -> Pinball | None:
        """The loss of the quantiles that are predicted; None where a mean is."""
        return Pinball(self.target.quantiles) if self.target.quantiles else None

    @property
    def own_loss(self) -> OwnLoss | None:
        return self.pinball or self.deviance

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics that fit; the first is what the gate judges by if the file says nothing."""
        costs: tuple[Metric, ...] = () if self.serving.cost is None else ("cost",)
        if self.pinball:
            return OF_QUANTILES
        usual = METRICS[self.target.kind] + costs
        return (self.deviance.metric, *usual) if self.deviance else usual

    @property
    def constant_costs(self) -> tuple[float, float] | None:
        """What a false alarm and a missed positive cost, where that is the same for all rows."""
        return None if self.serving.cost is None else self.serving.cost.constant

    @property
    def threshold(self) -> float:
        """From which probability on an answer is yes: the file's, or the one that was chosen."""
        given = self.serving.threshold
        chosen = given if self._threshold is None else self._threshold
        if isinstance(chosen, str):
            raise DefinitionError("[serving] threshold = 'auto': none was chosen yet; retrain")
        return chosen

    @property
    def chooses(self) -> bool:
        """Whether a threshold is still to be chosen."""
        return self.serving.threshold == "auto" and self._threshold is None

    @property
    def judges_stopping_slice(self) -> bool:
        """Whether it is asked what a model that never saw the stopping slice says of it."""
        asked = self.calibrates or self.chooses or self.metric != self.loss
        return asked and self.training.early_stopping > 0

    @property
    def loss(self) -> Metric:
        """The metric that is the loss of early stopping: of the objective, or of the kind's own."""
        usual: Metric = "rmse" if self.target.kind == "regression" else "log_loss"
        return self.own_loss.metric if self.own_loss else usual

    def settle(self, threshold: float | None, anew: bool = False) -> Self:
        """Give this definition with the threshold that was chosen for a version; None: as it is.

        Its digest stays that of the file. With `anew` a choice is forgotten.
        """
        if threshold is None and not anew:
            return self
        settled = self.model_copy()
        settled._threshold = threshold
        return settled

    @property
    def metric(self) -> Metric:
        """The gate's first metric: the file's, or the usual one for its kind of target."""
        return self.gate.metric or self.metrics[0]

    @property
    def second_metric(self) -> Metric:
        others = [metric for metric in self.metrics if metric != self.metric]
        return self.gate.second_metric or others[0]

    @property
    def coverage_margin(self) -> float:
        """How much less than what was asked for intervals may cover, or quantiles be off."""
        usual = QUANTILE_MARGIN if self.target.quantiles else COVERAGE_MARGIN
        return usual if self.gate.coverage_margin is None else self.gate.coverage_margin

    @property
    def calibrates(self) -> bool:
        """Whether its models are recalibrated where they need it: not without a stopping slice."""
        chances, training = self.target.kind != "regression", self.training
        return chances and training.calibrate == "auto" and training.early_stopping > 0

    @property
    def calibration_at_most(self) -> float:
        """The calibration error that the gate allows, in calibration's unit."""
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
