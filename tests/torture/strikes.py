"""When to kill: instants drawn by a seed over a whole run, and within each of its named steps."""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from runs import START, STEPS, Order, Outcome, Run, Strike
from whole import Inspector

# Seconds on two quiet cores, until a run has shown how long it takes here.
_PACE = {
    "retrain": {START: 1.5, **dict.fromkeys(STEPS["retrain"], 0.15)},
    "release": {START: 7.0, **dict.fromkeys(STEPS["release"], 0.1), "build": 1.5, "proof": 5.0},
}

_MOST_MISSES = 10  # a step may never come: a candidate that is refused is not fitted once more


def draw_strikes(flow: str, instants: int, each_step: int, random: Random) -> list[Strike]:
    """Draw instants over the whole run, and some within each named step, in any order."""
    steps = [START] * instants + [step for step in STEPS[flow] for _ in range(each_step)]
    strikes = [Strike(step, random.random(), random.random() < 0.5) for step in steps]
    random.shuffle(strikes)
    return strikes


@dataclass
class Torturer:
    """Runs one flow again and again, killed each time, until it ends by itself.

    The root is looked at after each kill. What is left of the strikes is for the next flow.
    """

    flow: str
    strikes: list[Strike]
    random: Random
    inspector: Inspector
    killed: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    mercy: float = 0.2  # how often a run that was killed before is left to end

    def __post_init__(self) -> None:
        self._pace = dict(_PACE[self.flow])

    def endure(self, order: Order) -> Outcome:
        """Run until it ends by itself, killed on the way there."""
        kills = 0
        while True:
            spared = kills and self.random.random() < self.mercy
            outcome = self._run(order, None if spared or not self.strikes else self.strikes.pop())
            if outcome.ended != "killed":
                self._keep_pace(outcome)
                self.finished += 1
                return outcome
            kills += 1
            self.killed[outcome.step] += 1
            self.inspector.look()
            if self.killed.total() % 20 == 0:
                print(f"\n{self}; {len(self.strikes)} kills to go", flush=True)

    def _run(self, order: Order, strike: Strike | None) -> Outcome:
        run = Run(order)
        if strike is None:
            return run.wait()
        outcome = run.strike(strike, self._pace)
        if outcome.ended != "killed":  # it was over before: for another run, at another instant
            again = replace(strike, part=self.random.random(), missed=strike.missed + 1)
            if again.missed < _MOST_MISSES:
                self.strikes.insert(0, again)
            else:
                self.missed[strike.step] += 1
        return outcome

    def _keep_pace(self, outcome: Outcome) -> None:
        """Remember how long steps take here; a rerun leaves out what it found done."""
        steps = STEPS[self.flow]
        self._pace |= outcome.spans
        self._pace[START] = outcome.spans[START] + sum(self._pace[step] for step in steps)

    def __str__(self) -> str:
        steps = ", ".join(f"{step} {self.killed[step]}" for step in (START, *STEPS[self.flow]))
        ended = f"{self.missed.total()} came too late, {self.finished} finished"
        return f"{self.flow}: {self.killed.total()} kills ({steps}), {ended}"
