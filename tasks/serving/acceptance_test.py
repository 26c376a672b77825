"""The acceptance test of a bento: its real server must answer as training computed, over HTTP.

Responsible for what is asked and what counts as right. Not responsible for building, releasing or
keeping a bento.
"""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.columns import SINCE
from tasks.core.definition import Frozen
from tasks.core.errors import ProofFailed
from tasks.core.model_sections import Serving
from tasks.evaluation.metrics import Array
from tasks.feature_store.online_tables import Listed, Listing, write_tables
from tasks.features.feature_tables import tables_digest
from tasks.processes.bento_server import booting_server
from tasks.registry.versions import Published
from tasks.serving.bento_client import ARROW, JSON, Caller, read_predictions, write_rows
from tasks.serving.expected_answers import ExpectedAnswers, compute_reference
from tasks.storage.store import Store
from tasks.training.published_model import read_definition

# Few rows may take another way through the service than many; every row is sent each way.
_WAYS = ((JSON, 100), (JSON, 1_000), (ARROW, 10_000))
_CALLERS, _CALLS, _TRIES = 4, 100, 3


class Proof(Frozen):
    """What a bento's server was asked, and how it answered. Latencies are in milliseconds."""

    model: str
    version: str
    manifest: str
    predictor: str = "lightgbm"
    rows: int
    left_out: int
    largest_difference: float
    bad_requests: dict[str, int]
    requests: int
    p50_ms: float
    p99_ms: float
    budget_ms: float
    seconds: float

    def agrees(self, other: "Proof") -> bool:
        """Tell whether another proof found the same, however quick the service was then."""
        timings = {"p50_ms", "p99_ms", "seconds"}
        return self.model_dump(exclude=timings) == other.model_dump(exclude=timings)

    @property
    def summary(self) -> str:
        return (
            f"{self.rows:,} holdout rows answered as in training (largest difference "
            f"{self.largest_difference:g}), {len(self.bad_requests)} bad requests refused, "
            f"p99 {self.p99_ms:.1f} ms of {self.budget_ms:g}"
        )


def prove(store: Store, published: Published, bento: Path, folder: Path) -> Proof:
    """Boot a bento and try it; ProofFailed says on what it failed."""
    _, model, version = published.path.split("/")
    limits = read_definition(store, published).serving
    home = folder / "proving"
    home.mkdir()
    begun = time.monotonic()
    reference = compute_reference(store, published, folder / "snapshot")
    given = lay_tables(store, published, reference, folder / "tables")
    with (
        booting_server(bento, home, **given) as server,
        closing(Caller(server.port)) as caller,
    ):
        server.wait()
        predictor = check_identity(caller, model, version)
        difference = compare_ways(server.port, reference, limits)
        bad = try_bad_requests(caller, reference.rows)
        p50, p99 = measure_latency(server.port, reference, limits)
    return Proof(
        model=model,
        version=version,
        manifest=published.digest,
        predictor=predictor,
        rows=len(reference.rows),
        left_out=reference.left_out,
        largest_difference=difference,
        bad_requests=bad,
        requests=_CALLERS * _CALLS,
        p50_ms=p50,
        p99_ms=p99,
        budget_ms=limits.latency_budget_ms,
        seconds=time.monotonic() - begun,
    )


def lay_tables(
    store: Store, published: Published, reference: ExpectedAnswers, folder: Path
) -> dict[str, str]:
    """Write feature tables as known at each holdout row's time, for the server to take."""
    if not reference.tables:
        return {}
    listed = {
        name: Listed(as_of=_newest(table), entities=len(table), rows=len(table))
        for name, table in reference.tables.items()
    }
    digest = tables_digest(read_definition(store, published))
    listing = Listing(digest=digest, made_at=datetime.now(UTC), sources={}, tables=listed)
    write_tables(reference.tables, listing, folder)
    return {"PERENNIAL_TABLES": str(folder)}


def _newest(table: pl.DataFrame) -> datetime | None:
    found = table[SINCE].max() if SINCE in table.columns else None
    return found if isinstance(found, datetime) else None


def check_identity(caller: Caller, model: str, version: str) -> str:
    """Ask the server which version it serves, and by which predictor."""
    answer = caller.ask("GET", "/model")
    said = json.loads(answer.body) if answer.status == 200 else {}
    if (said.get("model"), said.get("version")) != (model, version):
        raise ProofFailed(f"{model}:{version}: /model says {answer}")
    return str(said["predictor"])


def compare_ways(port: int, reference: ExpectedAnswers, limits: Serving) -> float:
    """Send every row each way, several ways at once as far as the service takes that."""

    def compare(way: tuple[str, int]) -> float:
        kind, batch = way
        with closing(Caller(port)) as caller:
            return compare_answers(caller, reference, kind, min(batch, limits.max_rows))

    with ThreadPoolExecutor(min(len(_WAYS), limits.concurrency)) as ways:
        return max(ways.map(compare, _WAYS))


def compare_answers(caller: Caller, reference: ExpectedAnswers, kind: str, batch: int) -> float:
    """Send every row and compare value by value; any difference is one too many."""
    answers = []
    for rows in reference.rows.iter_slices(batch):
        answer = caller.post(write_rows(rows, kind), kind)
        if answer.status != 200:
            raise ProofFailed(f"/predict refuses holdout rows as {kind}: {answer}")
        answers.append(read_predictions(answer))
    served = np.concatenate(answers)
    if served.shape != reference.expected.shape:
        shapes = f"{served.shape} for {reference.expected.shape}"
        raise ProofFailed(f"/predict answers the holdout in another shape: {shapes}")
    difference = float(np.abs(served - reference.expected).max())
    if difference != 0:
        wrong = int((served != reference.expected).reshape(len(served), -1).any(axis=1).sum())
        raise ProofFailed(
            f"/predict differs from training in {wrong:,} of {len(served):,} holdout rows sent "
            f"{batch} at once as {kind}, by {difference:g} at most"
        )
    return difference


def make_bad_requests(rows: pl.DataFrame) -> Iterator[tuple[str, bytes, str]]:
    """Make requests that no service may answer with a prediction, or break on."""
    row = json.loads(write_rows(rows.head(1), JSON))[0]
    numbers = [name for name, dtype in rows.schema.items() if dtype.is_numeric()]
    yield "not JSON", b"{", JSON
    yield "no rows", b"[]", JSON
    yield "not a row", b"[1]", JSON
    yield "a column missing", json.dumps([dict(list(row.items())[1:])]).encode(), JSON
    yield "an unknown column", json.dumps([row | {"no such column": 1}]).encode(), JSON
    for name in numbers[:1]:
        yield "text for a number", json.dumps([row | {name: "1.5"}]).encode(), JSON
        yield "NaN for a number", json.dumps([row | {name: float("nan")}]).encode(), JSON
    yield "torn Arrow", write_rows(rows.head(1), ARROW)[:-100], ARROW
    yield "another content type", b"<rows/>", "application/xml"


def try_bad_requests(caller: Caller, rows: pl.DataFrame) -> dict[str, int]:
    """Send bad requests; each must be refused as the caller's mistake, in valid JSON."""
    statuses = {}
    for name, body, kind in make_bad_requests(rows):
        answer = caller.post(body, kind)
        if not 400 <= answer.status < 500:
            raise ProofFailed(f"/predict answers {name} with {answer}, not a 4xx")
        statuses[name] = answer.status
    return statuses


def measure_latency(port: int, reference: ExpectedAnswers, limits: Serving) -> tuple[float, float]:
    """Ask for one row at a time over a few connections; give the median and p99 in milliseconds.

    A neighbour that takes the machine for a moment is not the service's latency: it may try again.
    """
    budget = limits.latency_budget_ms
    places = np.linspace(0, len(reference.rows) - 1, _CALLERS * _CALLS).astype(int)
    shares = [places[caller::_CALLERS] for caller in range(_CALLERS)]
    best = math.inf
    with ThreadPoolExecutor(min(_CALLERS, limits.concurrency)) as callers:
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
