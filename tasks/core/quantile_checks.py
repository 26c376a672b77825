"""What [target] quantiles ask of the rest of a definition.

Responsible for refusing, by key, what cannot go with quantiles or would do nothing. Not responsible
for what levels may be (`target_section`), nor for LightGBM's parameters by their other names
(`training.lightgbm_params`).
"""

from tasks.core.deviances import OBJECTIVE
from tasks.core.model_sections import Gate, Serving, Training
from tasks.core.target_section import Target


def check_quantiles(target: Target, training: Training, serving: Serving, gate: Gate) -> None:
    """Refuse what cannot go with quantiles."""
    if target.quantiles is None:
        return
    where = f"[target] quantiles = {list(target.quantiles)}"
    for key in (*OBJECTIVE, "alpha"):
        if key in training.params:
            raise ValueError(
                f"{where}: quantiles settle what is aimed at; leave {key} in [training.params] "
                f"out, or leave quantiles out to train by {training.params[key]!r}"
            )
    if serving.interval is not None:
        low, high = (1 - serving.interval) / 2, (1 + serving.interval) / 2
        raise ValueError(
            f"{where}: an interval is told beside a mean; leave [serving] interval out and ask for "
            f"its ends, as in quantiles = [{low:g}, 0.5, {high:g}], or leave quantiles out"
        )
    if training.engine == "dask":
        raise ValueError(f"{where}: are trained in one process; set [training] engine = 'local'")
    if training.monotone:
        raise ValueError(
            f"{where}: LightGBM holds no monotone constraint on quantiles; leave [training] "
            "monotone out"
        )
    if gate.metric == "coverage_error":
        raise ValueError(
            "[gate] metric: coverage_error is 0 of a guess, too, and shows no model to be better; "
            "judge by pinball_loss first, as when metric is left out"
        )
    for key in ("calibration_at_most", "calibration_margin"):
        if key in gate.model_fields_set:
            raise ValueError(
                f"[gate] {key}: is for predictions of a mean; how far the share of rows below a "
                "quantile may be off says [gate] coverage_margin"
            )
