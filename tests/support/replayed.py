"""A replay of three policies over two months, of made-up numbers."""

from datetime import UTC, datetime
from typing import Any

from tasks.backtest.replay import Replay

TIMES = [datetime(2013, month, 1, tzinfo=UTC) for month in (1, 2, 3)]


MOVED = {
    "rows": 100,
    "predicted": 0.2,
    "observed": 0.3,
    "offset": 0.54,
    "error": 0.08,
    "left": 0.01,
    "share": 0.9,
}


def track(policy: str, *scores: float, **changes: Any) -> dict[str, Any]:
    metrics = [{"auc": score, "log_loss": 0.5} for score in scores]
    rest = {"rows": 100, "calibration": 0.08, "prior_shift": MOVED}
    periods = [
        {"start": start, "end": start, "metrics": each, **rest}
        for start, each in zip(TIMES, metrics, strict=False)
    ]
    mean = {"auc": sum(scores) / len(scores), "log_loss": 0.5}
    made = {"policy": policy, "periods": periods, "mean": mean, "retrains": ()}
    return made | {"broken": 0, "watching": 1.0} | changes


RETRAIN = {
    "as_of": TIMES[1],
    "reason": "<b>it is time</b>",
    "version": "v2",
    "promoted": True,
    "refused": "",
    "seconds": 2.0,
    "gain": {"value": -0.2424, "low": -0.3, "high": -0.1},
    "worse": True,
}


def make_replay() -> Replay:
    tracks = [
        track("never", 0.6, 0.6),
        track("schedule", 0.7, 0.8, retrains=[RETRAIN]),
        track("drift", 0.6, 0.7, broken=3),
    ]
    made = {"model": "made", "start": TIMES[0], "end": TIMES[2], "every": "1mo", "metric": "auc"}
    rest = {"second": "log_loss", "first": "v1", "tracks": tracks, "seconds": 9.0}
    return Replay.model_validate(made | rest)
