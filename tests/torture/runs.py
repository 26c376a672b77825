"""Flows as processes that can be killed at any instant, and that tell when each step begins.

A run is forked from a process that has imported everything and started no thread, so that a kill
hits the flow and not the loading of its libraries. A real Prefect server on loopback records it.
"""

import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import flows.release
import flows.retrain
from tasks.core.errors import PerennialError

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["__main__", "runs", "s3fs"])
FLOWS: dict[str, Callable[..., dict[str, Any]]] = {
    "retrain": flows.retrain.retrain,
    "release": flows.release.release,
}
STEPS = {
    "retrain": {
        "plan": "flows.retrain.plan_retrain",
        "extraction": "flows.retrain.extract",
        "analysis": "flows.retrain.analyse",
        "preparation": "flows.retrain.prepare",
        "training": "flows.retrain.train",
        "evaluation": "flows.retrain.evaluate",
        "validation": "flows.retrain.validate",
        "refit": "flows.retrain.refit",
        "publication": "flows.retrain.publish_candidate",
        "artifact": "flows.retrain.leave",
    },
    "release": {
        "decision": "flows.release.decide",
        "build": "flows.release.build_bento",
        "proof": "flows.release.prove_bento",
        "publication": "tasks.serving.task.publish_bento",
        "offer": "flows.release.offer_bento",
        "promotion": "flows.release.promote",
        "models": "flows.release.offer_models",
        "artifact": "flows.release.leave",
    },
}
START = "start"  # of the whole run, before its first step
_LONGEST_SECONDS = 300.0
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Order:
    """A flow to run: with which parameters, from which folder, in which environment."""

    flow: str
    parameters: Mapping[str, Any]
    folder: Path
    environment: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Strike:
    """When to kill: a part of the usual duration of a step, after that step has begun.

    For `start`, that is the duration of the whole run. `alone` kills the flow's process only, and
    leaves what it started to notice. `missed` counts the runs that were over before.
    """

    step: str
    part: float
    alone: bool
    missed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `done`, `killed`, or the name of an error; and the steps that it began."""

    ended: str
    said: str = ""
    value: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, float] = field(default_factory=dict)

    @property
    def step(self) -> str:
        return list(self.spans)[-1]


class Run:
    """One flow in a process group of its own."""

    def __init__(self, order: Order) -> None:
        self._heard, told = FORK.Pipe(duplex=False)
        self._process = FORK.Process(target=run_flow, args=(order, told))
        self._process.start()
        told.close()
        self._begun: list[tuple[str, float]] = []

    def strike(self, strike: Strike, pace: Mapping[str, float]) -> Outcome:
        """Kill the run when it is due, unless it has ended by then."""
        due = None
        while True:
            left = _LONGEST_SECONDS if due is None else due - time.monotonic()
            if left <= 0 or not self._heard.poll(left):
                assert due is not None, f"nothing was heard of the run for {left:.0f} s"
                return self._kill(strike.alone)
            if ended := self._hear():
                return ended
            step, begun = self._begun[-1]
            if step == strike.step and due is None:
                due = begun + strike.part * pace[step]

    def wait(self) -> Outcome:
        """Let the run end by itself."""
        while True:
            assert self._heard.poll(_LONGEST_SECONDS), "the run does not end"
            if ended := self._hear():
                return ended

    def _hear(self) -> Outcome | None:
        try:
            ended, moment, more = self._heard.recv()
        except EOFError:  # killed by somebody else, or by the kernel
            return self._end(Outcome("gone"))
        if ended == "step":
            self._begun.append((more, moment))
            return None
        spans = self._measure(moment)
        if ended == "done":
            return self._end(Outcome(ended, value=more, spans=spans))
        return self._end(Outcome(ended, said=more, spans=spans))

    def _kill(self, alone: bool) -> Outcome:
        pid = self._process.pid
        assert pid is not None
        (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
        self._process.join(30)
        assert self._process.exitcode == -signal.SIGKILL, self._process.exitcode
        self._heard.close()
        return Outcome("killed", spans=self._measure(time.monotonic()))

    def _end(self, outcome: Outcome) -> Outcome:
        self._process.join(60)
        assert self._process.exitcode is not None, f"a run that said {outcome} does not end"
        self._heard.close()
        return outcome

    def _measure(self, end: float) -> dict[str, float]:
        """Tell how long each step took, up to the next one."""
        moments = [moment for _, moment in self._begun[1:]] + [end]
        return {
            step: after - moment for (step, moment), after in zip(self._begun, moments, strict=True)
        }


def run_flow(order: Order, told: Connection) -> None:
    """Run a flow as the command line would, in this forked process."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    os.setsid()
    if sys.platform == "linux":  # when the tests end, so does this
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    _settle(order)
    tell = Telling(told)
    for step, place in STEPS[order.flow].items():
        announce(step, place, tell)
    settings = {
        PREFECT_API_URL: order.environment["PREFECT_API_URL"],
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    tell("step", START)
    try:
        with temporary_settings(settings):
            tell("done", FLOWS[order.flow](**order.parameters))
    except PerennialError as error:
        tell(type(error).__name__, str(error))
    except BaseException as error:
        tell(f"unexpected {type(error).__name__}", traceback.format_exc())


def _settle(order: Order) -> None:
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


class Telling:
    """Tells the parent what happens, and when."""

    def __init__(self, told: Connection) -> None:
        self._told = told

    def __call__(self, what: str, more: object) -> None:
        self._told.send((what, time.monotonic(), more))


def announce(step: str, place: str, tell: Telling) -> None:
    """Let a function of the flow say that it begins, whenever it does."""
    name, _, attribute = place.rpartition(".")
    module = importlib.import_module(name)
    function = getattr(module, attribute)

    def announced(*args: Any, **given: Any) -> Any:
        tell("step", step)
        return function(*args, **given)

    setattr(module, attribute, announced)
