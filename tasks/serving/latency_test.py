"""Latency of a bento's single predictions, held against the definition's budget."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np

from tasks.core.definition import Serving
from tasks.core.errors import ProofFailed
from tasks.evaluation.metrics import Array
from tasks.serving.bento_client import JSON, Caller, read_predictions, write_rows
from tasks.serving.expected_answers import ExpectedAnswers

CALLERS, CALLS = 4, 100
_TRIES = 3


def measure_latency(port: int, reference: ExpectedAnswers, limits: Serving) -> tuple[float, float]:
    """Ask for one row at a time over a few connections; give the median and p99 in milliseconds.

    A neighbour that takes the machine for a moment is not the service's latency: it may try again.
    """
    budget = limits.latency_budget_ms
    places = np.linspace(0, len(reference.rows) - 1, CALLERS * CALLS).astype(int)
    shares = [places[caller::CALLERS] for caller in range(CALLERS)]
    best = math.inf
    with ThreadPoolExecutor(min(CALLERS, limits.concurrency)) as callers:
        for _ in range(_TRIES):
            taken = callers.map(lambda share: ask_singly(port, reference, share), shares)
            p50, p99 = np.quantile(np.concatenate(list(taken)), [0.5, 0.99]).tolist()
            if p99 <= budget:
                return p50, p99
            best = min(best, p99)
    raise ProofFailed(f"/predict answers too late: p99 is {best:.1f} ms, the budget {budget:g} ms")


def ask_singly(port: int, reference: ExpectedAnswers, places: Array) -> list[float]:
    """Ask for single rows; give how long each took, if it was answered right."""
    bodies = [write_rows(reference.rows[int(place)], JSON) for place in places]
    taken = []
    with closing(Caller(port)) as caller:
        for place, body in zip(places, bodies, strict=True):
            begun = time.perf_counter()
            answer = caller.post(body)
            taken.append((time.perf_counter() - begun) * 1000)
            if answer.status != 200:
                raise ProofFailed(f"/predict fails under a short load: {answer}")
            if not np.array_equal(read_predictions(answer)[0], reference.expected[place]):
                raise ProofFailed(f"/predict answers a row sent alone otherwise: {answer}")
    return taken
