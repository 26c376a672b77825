"""A base rate that moved, taken off before the gate compares probabilities.

Where an event has become more or less frequent since the rows that a model learned from, the log
odds of all rows are off by about the same offset (prior shift: Elkan 2001; Saerens, Latinne and
Decaestecker 2002). That says nothing against a candidate: the champion, a guess and the next
candidate meet the same, and the model that is released has learned from the holdout, too. So a
check that fails is asked again of what is left after it, and a pass is told with a warning.
Responsible for when that may be, and for how much. Not responsible for the checks.
"""

from typing import Self

import numpy as np
import polars as pl

from tasks.core.checks import Check
from tasks.core.columns import LEARNED_OFFSET, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.metrics import Array
from tasks.evaluation.prior_shift import find_offset
from tasks.evaluation.row_metrics import loss_metric
from tasks.preparation.weights import read_weights
from tasks.registry.corrections import FARTHEST
from tasks.training.recalibration import shift_odds
from tasks.validation.champion_comparison import PairedPredictions, compare_pair

OF_PROBABILITIES: tuple[Metric, ...] = ("log_loss", "brier")


class MovedRate(Frozen):
    """How often the event came true in the rows to learn from, and in the holdout.

    `offset` is by how much the candidate's log odds are off there, beyond what they were off by
    where it `learned`.
    """

    before: float
    came: float
    told: float
    learned: float
    offset: float

    def take_off(self, pair: PairedPredictions) -> PairedPredictions:
        """Give both predictions as they would be, had the base rate been known.

        The other one is given the offset that suits it best, whatever it comes from.
        """
        came = float(np.average(pair.target, weights=pair.weights))
        theirs = shift_odds(pair.theirs, find_offset(came, pair.theirs, pair.weights))
        ours = self.shift(pair.ours, came, pair.weights)
        return pair.model_copy(update={"ours": ours, "theirs": theirs})

    def shift(self, predicted: Array, came: float, weights: Array | None) -> Array:
        """Move the candidate's predictions by what came about since it learned."""
        offset = find_offset(came, predicted, weights) - self.learned
        return np.asarray(shift_odds(predicted, offset))

    def forgive(self, stands: Check, left: Check) -> Check:
        """Pass a check that fails as it stands and not with the base rate taken off."""
        if not left.passed:
            return stands
        warning = (
            f"{stands.name} passes with a base rate taken off that moved, from {self.before:.1%} "
            f"in the rows to learn from to {self.came:.1%} in the holdout, where {self.told:.1%} "
            f"was predicted (prior shift, {self.offset:+.2f} in log odds)"
        )
        return left.model_copy(
            update={"detail": f"{left.detail}; {warning}; as it stands: {stands.detail}",
                    "warning": warning}
        )  # fmt: skip

    @classmethod
    def find(
        cls, definition: Definition, scored: pl.DataFrame, champion: PairedPredictions | None
    ) -> Self | None:
        """Find the base rate that moved until the holdout; None where nothing may be taken off.

        The rate must have moved the way that predictions are off. As it stands, a candidate must
        not be surely worse than the champion by its loss: then what is served now is better,
        whatever the reason. Rows without a time have no after.
        """
        timeless = scored[TIME].null_count() == len(scored)
        if definition.target.kind != "binary" or timeless or LEARNED_OFFSET not in scored.columns:
            return None
        weights, predicted = read_weights(scored), scored["predicted"].to_numpy()
        told, came = (
            float(np.average(each, weights=weights))
            for each in (predicted, scored[TARGET].to_numpy())
        )
        before, learned = (float(scored[name][0]) for name in ("baseline", LEARNED_OFFSET))
        offset = find_offset(came, predicted, weights) - learned
        if abs(offset) > FARTHEST or offset * (came - before) <= 0:
            return None
        loss = loss_metric(definition)
        if champion is not None and compare_pair(definition, loss, champion).high < 0:
            return None
        return cls(before=before, came=came, told=told, learned=learned, offset=offset)
