"""What a candidate's report says of calibration: what was mended, and which base rate moved."""

from collections.abc import Iterator

from tasks.evaluation.prior_shift import describe_shift
from tasks.validation.candidate import Candidate


def tell_calibration(candidate: Candidate) -> Iterator[str]:
    """Say what recalibration came to, and which part of the error is a base rate that moved."""
    found = candidate.evaluation.recalibrated
    if found is not None:
        off = (
            f"On the {found.rows:,} rows of the stopping slice, calibration was off by "
            f"{found.error:.3f} beyond chance ({found.margin:.3f} is tolerated)"
        )
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in found.losses.items())
        if found.chosen is None:
            yield f"{off}; nothing gains surely there (log loss {losses}), so it is not mended."
        else:
            error, loss = (
                f"{found.before[name]:.4f} to {found.after[name]:.4f}"
                for name in ("calibration_error", "log_loss")
            )
            yield (
                f"{off}, so predictions are recalibrated by {found.method} (log loss there: "
                f"{losses}). On the holdout, calibration error goes from {error}, log loss from "
                f"{loss}."
            )
    if shift := candidate.evaluation.prior_shift:
        yield f"{describe_shift(shift)}. No recalibration on older rows mends that."


def list_recalibrated(candidate: Candidate) -> Iterator[list[str]]:
    """Set the holdout before recalibration beside after it, where there was one."""
    found = candidate.evaluation.recalibrated
    if found is not None and found.chosen is not None:
        for name, words in {
            "calibration_error": "Calibration error",
            "log_loss": "Log loss",
        }.items():
            yield [words, f"{found.before[name]:.4f}", f"{found.after[name]:.4f}"]
