"""The BentoML service: `bentoml serve NAME:VERSION`, or `bentos.service:service` anywhere.

Responsible for the environment that a server runs in, and for what starts and stops with it.

- PERENNIAL_MODEL: a folder with a version's files; otherwise `model/` beside this package.
- PERENNIAL_ROOT: where the prediction log and what is counted go; without it nothing is kept.
- PERENNIAL_TABLES: a folder with feature tables; otherwise the newest in the root are looked up.
- PERENNIAL_FOLLOW: a model's name; its champion in the root is followed.
- PERENNIAL_HOSTS: names that requests may give in `Host`, beside localhost and addresses.
- PERENNIAL_TOKEN: a bearer token that every request but those for health must bring.
"""

import os

# Before Polars and OpenMP load. One thread answers: more of them would only wait for each other.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")

import asyncio
import gc
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# Where scikit-learn is installed, LightGBM loads it: a second and 55 MB of each process, for what
# no service asks. In BentoML's own processes there is nobody else who could.
if "bentoml" in sys.argv[0] and "sklearn" not in sys.modules:
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    import lightgbm  # noqa: F401

    del sys.modules["sklearn"]

import bentoml
from bentoml import Service

from bentos.app import PredictionApp
from bentos.bentoml_routes import Application
from bentos.connection_sharing import share_connections
from bentos.endpoints import Answering, make_endpoints, write_specification
from bentos.hot_reload import HotReload
from bentos.metrics import Metrics
from bentos.model import Model, load_folder, with_tables
from bentos.prediction_log_writer import PredictionLog
from bentos.quick_protocol import answer_quickly
from bentos.request_count_writer import RequestCountWriter
from bentos.request_head import Receive, Scope, Send
from bentos.shared_metrics import SharedMetrics
from bentos.slow_clients import sweep
from bentos.supervision import prepare_workers, settle_workers
from bentos.worker_count import read_workers
from bentos.worker_group import join_group
from tasks.core.errors import StoreError, first_line
from tasks.storage.store import Store, is_bucket, open_store

log = logging.getLogger("perennial.serving")

_NAME = "perennial"


class Running:
    """A server with all that runs beside it, around BentoML's own application."""

    def __init__(self, bento: Application) -> None:
        self._bento = bento
        group, store = join_group(bentoml.server_context.worker_index), find_store()
        shared = SharedMetrics(group) if group else None
        metrics = shared or Metrics()
        folder = os.environ.get("PERENNIAL_TABLES")
        model = add_tables(load_folder(find_model()), store)
        if store is None and model.definition.serving.log:
            log.warning("predictions are not logged: PERENNIAL_ROOT is not set")
        kept = PredictionLog(store, metrics, *([group.claim] if group else []))
        self._server = PredictionApp(model, metrics, kept)
        self._server.bento = bento
        counting = RequestCountWriter(store, metrics)
        self._writers: list[PredictionLog | RequestCountWriter | SharedMetrics] = [kept, counting]
        if shared:
            self._writers.append(shared)
        self._server.token = os.environ.get("PERENNIAL_TOKEN", "").encode()
        self._follower: HotReload | None = None
        name = os.environ.get("PERENNIAL_FOLLOW", "")
        follows = model.definition.serving.follow_base_rate is not None
        if name and store is None:
            log.warning("releases of %s are not followed: PERENNIAL_ROOT is not set", name)
        elif store is not None and (name or (model.values and not folder) or follows):
            self._follower = HotReload(name, store, metrics, self._server.swap)
            self._server.problem = lambda: self._follower.problem if self._follower else ""
        answering.set(self._server)
        answer_quickly(self._server.quick, model.definition.serving.timeout_s)
        if group:
            share_connections(group)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._server(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop with BentoML's application."""
        for each in self._writers:
            each.start()
        if self._follower is not None:
            self._follower.start(self._server.model)
        sweeping = asyncio.create_task(sweep())
        calm_collector()

        async def stop_first(message: Any) -> None:
            # Once this is said, the process may end before anything after it is done.
            if message["type"].startswith("lifespan.shutdown."):
                self._stop()
            await send(message)

        try:
            await self._bento(scope, receive, stop_first)
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

    def _stop(self) -> None:
        """End what runs beside the server, which writes what still waits."""
        if self._follower is not None:
            self._follower.stop()
        for each in self._writers:
            each.stop()


def add_tables(model: Model, store: Store | None) -> Model:
    folder = os.environ.get("PERENNIAL_TABLES")
    return with_tables(model, store, Path(folder) if folder else None)


def make_server() -> PredictionApp:
    """Make what answers where none is served: while a bento is built, or for a call in Python.

    Such calls are not logged: nobody writes a log beside them.
    """
    metrics, model = Metrics(), load_folder(find_model())
    try:
        model = add_tables(model, find_store())
    except StoreError as error:  # enough to describe it by
        log.warning("no row can be answered: %s", first_line(error))
    return PredictionApp(model, metrics, PredictionLog(None, metrics))


def find_model() -> Path:
    named = os.environ.get("PERENNIAL_MODEL")
    return Path(named) if named else Path(__file__).parents[1] / "model"


def find_store() -> Store | None:
    """Open the root; one that is relative starts where the server was started, not in the bento."""
    root = os.environ.get("PERENNIAL_ROOT")
    if not root:
        return None
    return open_store(root if is_bucket(root) else str(Path(os.environ.get("PWD", "."), root)))


def calm_collector() -> None:
    """Keep garbage collection, and the writer of the log, from holding up answers."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.0001)
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


answering = Answering(make_server)


class _Perennial(Service[Any]):  # type: ignore[misc]  # attrs hides the class
    """BentoML's service, answered by our application instead of BentoML's stack."""

    def inject_config(self) -> None:
        super().inject_config()
        settle_workers(self.name)

    def to_asgi(self, is_main: bool = True) -> Any:
        return Running(super().to_asgi(is_main))

    @property
    def openapi_spec(self) -> Any:
        return write_specification(answering.get())


service = bentoml.service(
    make_endpoints(answering, lambda: prepare_workers(_NAME)),
    name=_NAME,
    service_class=_Perennial,
    workers=read_workers(find_model()),
    http={"host": "127.0.0.1"},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
