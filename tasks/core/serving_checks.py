"""What [serving] keys ask of the rest of a definition: intervals, and a base rate that is followed.

Responsible for refusing what cannot be served so, by file and key. Not responsible for what a key
by itself may be (`model_sections`).
"""

from tasks.core.data_sections import Extract
from tasks.core.model_sections import Gate, Serving, Target, Training


def check_following(target: Target, extract: Extract, training: Training, serving: Serving) -> None:
    """Refuse to follow a base rate where answers and labels cannot be brought together."""
    key = extract.key
    if serving.follow_base_rate is None:
        return
    if target.kind != "binary":
        raise ValueError("[serving] follow_base_rate is for a binary target")
    if training.weight is not None:
        raise ValueError(
            "[serving] follow_base_rate goes by labels that count alike, and [training] weight "
            "lets them count otherwise: leave one of them out"
        )
    if extract.time is None or not key:
        raise ValueError("[serving] follow_base_rate needs [extract] time and key, for labels")
    if not serving.log:
        raise ValueError("[serving] follow_base_rate needs the prediction log: log = true")
    if hidden := [name for name in (*key, extract.time) if name in serving.log_without]:
        raise ValueError(
            f"[serving] follow_base_rate needs {hidden[0]!r} in the log: take it out of log_without"
        )


def check_interval(target: Target, training: Training, serving: Serving, gate: Gate) -> None:
    """Refuse an interval that cannot be fitted, or a margin of its coverage without one."""
    where = f"[serving] interval = {serving.interval}"
    if serving.interval is None:
        if gate.coverage_margin is not None and target.quantiles is None:
            raise ValueError(
                "[gate] coverage_margin does nothing without [serving] interval, or [target] "
                "quantiles"
            )
        return
    if target.kind != "regression":
        raise ValueError(
            f"{where}: is for a regression; a {target.kind} target has "
            "probabilities, which say how sure it is; leave it out"
        )
    if training.engine == "dask":
        raise ValueError(f"{where}: is fitted in one process; set [training] engine = 'local'")
