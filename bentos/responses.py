"""Predictions as the bytes of a response, JSON or Arrow."""

from io import BytesIO
from typing import Any

import msgspec
import polars as pl

from bentos.errors import RequestRefused
from bentos.lightgbm_predictor import Array
from bentos.model import Model
from bentos.told import name_told
from tasks.core.pinball import take_middle

JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"
_encode = msgspec.json.Encoder().encode


def write_one(model: Model, predicted: Any, label: Any) -> bytes:
    """Write the answer for one row; floats as short as they can be and still be exact.

    `label` is what the model tells beside a prediction: a label, an interval, or quantiles.
    """
    answer: dict[str, Any] = {"prediction": predicted}
    if label is not None:
        answer[model.told] = label
    answer["version"] = model.version
    if model.correction:
        answer["correction"] = model.correction.number
    return _encode(answer)


def write_many(model: Model, predictions: list[Any], labels: list[Any] | None) -> bytes:
    said = {} if labels is None else {name_told(model.definition, many=True): labels}
    return _encode({"predictions": predictions, **said, **_name(model)})


def _name(model: Model) -> dict[str, Any]:
    """Name what answered: a version, and the correction of its base rate, where there is one."""
    version = {"version": model.version}
    return {**version, "correction": model.correction.number} if model.correction else version


def write_arrow(model: Model, predictions: list[Any], labels: list[Any] | None) -> bytes:
    said: dict[str, Any] = {} if labels is None else {model.told: labels}
    if model.correction:
        said["correction"] = [model.correction.number] * len(predictions)
    buffer = BytesIO()
    pl.DataFrame({"prediction": predictions, **said}).write_ipc_stream(buffer)
    return buffer.getvalue()


def write_explanations(
    model: Model, predicted: Array, contributions: Array, beside: list[Any] | None, one: bool
) -> bytes:
    """Write what each feature added to the raw score, beside the base that all rows share."""
    names = list(model.features.expressions)
    values = take_middle(model.definition.pinball, predicted).tolist()
    said = [{}] * len(values) if beside is None else [{model.told: each} for each in beside]
    explanations = [
        {"prediction": value, **told, **_explain(model, names, row)}
        for value, told, row in zip(values, said, contributions, strict=True)
    ]
    body = explanations[0] if one else {"explanations": explanations}
    return _encode({**body, **_name(model)})


def _explain(model: Model, names: list[str], row: Array) -> dict[str, Any]:
    by_class: list[dict[str, Any]] = [
        {"base": base, "contributions": dict(zip(names, contributions, strict=True))}
        for *contributions, base in row.tolist()
    ]
    if len(by_class) == 1:
        return by_class[0]
    return {"classes": dict(zip(model.vocabulary.classes, by_class, strict=True))}


def write_model(model: Model) -> bytes:
    """Write what a person or program asks of the version that answers."""
    lineage = {name: value for name, value in model.lineage.items() if name != "executor"}
    return _encode(
        {
            "model": model.name,
            "version": model.version,
            "description": model.definition.description,
            "kind": model.definition.target.kind,
            "target": model.definition.target.value,
            "classes": model.vocabulary.classes,
            **({} if model.interval is None else {"interval": model.definition.serving.interval}),
            **({"quantiles": pinball.levels} if (pinball := model.definition.pinball) else {}),
            "threshold": model.definition.threshold,
            "predictor": model.predictor.name,
            "columns": [
                {"name": each.name, "type": str(each.dtype), "required": each.required}
                for each in model.schema.columns
            ],
            "features": model.features.expressions,
            "tables": model.lookup and model.lookup.listing.model_dump(mode="json"),
            **_tell_calibration(model),
            "metrics": model.evaluation["metrics"],
            "baseline": model.evaluation["baseline"],
            "lineage": lineage,
        }
    )


def _tell_calibration(model: Model) -> dict[str, Any]:
    """Tell how the trees' probabilities are changed before they are answered, where they are."""
    recalibration, correction = model.predictor.recalibration, model.correction
    told = {"recalibration": recalibration.method} if recalibration else {}
    return {**told, "correction": correction.model_dump(mode="json")} if correction else told


def write_refusal(refused: RequestRefused) -> bytes:
    field = {} if refused.field is None else {"field": refused.field}
    return _encode({"error": refused.message, **field})
