"""The release flow: decisions that are carried out, interrupted, and followed by a server."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from prefect.utilities.callables import parameter_schema
from publishers import put_proof
from receivers import receiving
from servers import serves, wait_for

from flows.release import prepare_rollback, release
from flows.retrain import find_done, name_approver, plan_retrain, retrain
from tasks.core.errors import DecisionRefused, DefinitionError, StoreError
from tasks.core.model_sections import Approval
from tasks.extraction.run_plan import Plan
from tasks.processes.bento_server import find_port, is_ready
from tasks.registry.decisions import Decision
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.overview import describe_model
from tasks.registry.released_bento import find_bento
from tasks.registry.task import decide
from tasks.registry.versions import get_version
from tasks.serving.bento_client import Caller
from tasks.serving.task import build_bento, prove_bento
from tasks.storage.store import open_store, work_folder

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
Run = Callable[..., tuple[int, str, str]]


def processes_in(folder: Path) -> list[psutil.Process]:
    """List the living processes that were started for a folder."""
    found = []
    for each in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(each.info["cmdline"] or ()):
            found.append(each)
    return found


def test_release_leaves_ledger_proof_and_history(released: "Released", run_here: Run) -> None:
    code, out, _ = run_here("history", MODEL, "--json")
    assert code == 0
    found = json.loads(out)
    assert [entry["action"] for entry in found["ledger"]] == ["approve", "release"]
    assert {entry["approver"] for entry in found["ledger"]} == {"Ada"}
    assert found["proofs"][released.older]["largest_difference"] == 0
    assert "answered as in training" in run_here("history", MODEL)[1].replace("\n", " ")
    status = json.loads(run_here("status", MODEL, "--json")[1])["models"][MODEL]
    assert (status["champion"], status["waiting"]) == (released.older, [released.newer])


def test_a_version_of_digits_alone_may_come_as_a_number(released: "Released") -> None:
    schema = parameter_schema(release).model_dump()["properties"]["version"]
    assert [each["type"] for each in schema["anyOf"]] == ["string", "integer"]
    with pytest.raises(DefinitionError, match="version '1999' does not exist"):
        release(MODEL, 1999, "reject", "Ada")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["approve", MODEL, "1999", "--as", "Ada", "--reason", "x"], 2, "does not exist"),
        (["approve", MODEL, "{older}", "--as", "Ada", "--reason", "x"], 3, "released already"),
        (["approve", MODEL, "{newer}", "--as", " ", "--reason", "x"], 2, "--as NAME"),
        (
            ["approve", MODEL, "{newer}", "--as", "\x1b[2JA", "--reason", "x"],
            2,
            r"'\x1b[2JA' holds",
        ),
        (["approve", MODEL, "{newer}", "--as", "A\udcff", "--reason", "x"], 2, "is no UTF-8"),
        (["retrain", MODEL, "--approve-as", "A\nB"], 2, "--as 'A\\nB': a name is one line"),
        (["reject", MODEL, "{older}", "--as", "Ada", "--reason", "x"], 3, "released already"),
        (["rollback", MODEL, "--as", "Ada", "--reason", "x"], 3, "no earlier champion"),
        (["rollback", MODEL, "--to", "{newer}", "--as", "A", "--reason", "x"], 3, "never released"),
    ],
)
def test_decision_that_is_not_open_is_one_line(
    released: "Released", run_here: Run, words: list[str], code: int, said: str
) -> None:
    names = {"older": released.older, "newer": released.newer}
    exit_code, out, errors = run_here(*(word.format(**names) for word in words))
    assert exit_code == code
    assert said in errors
    assert "Traceback" not in out + errors
    assert len(read_ledger(open_store(), MODEL)) == 2


def test_rejected_candidate_waits_no_more(released: "Released", run_here: Run) -> None:
    words = (MODEL, released.newer, "--as", "Ada", "--reason", "odd [red]slices[/]")
    assert run_here("reject", *words)[0] == 0
    assert describe_model(open_store(), MODEL)["waiting"] == []
    code, _, errors = run_here("approve", *words)
    assert code == 3
    assert "was rejected by Ada" in errors
    assert "[red]slices" in run_here("history", MODEL)[1]


def test_decisions_are_told(released: "Released", monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_NOTIFY", f"json://{there.place}/")
        release(MODEL, released.newer, "reject", "Ada", "odd slices")
    first, second = there.texts
    assert first.startswith(f"{MODEL}: released {released.older}: By Ada")
    assert f"perennial rollback {MODEL} --as NAME" in first
    assert second.startswith(f"{MODEL}: rejected {released.newer}: By Ada")
    assert second.endswith("UTC: odd slices")


def test_release_that_ended_before_its_promotion_goes_on_from_there(
    released: "Released",
) -> None:
    store = open_store()
    asked = Decision(model=MODEL, version=released.newer, action="approve", approver="Ada")
    approval = decide.fn(store.root, asked)
    with work_folder(store) as folder:
        bento = build_bento.fn(store.root, MODEL, approval, folder)
        proven = prove_bento.fn(store.root, MODEL, released.newer, bento, folder)
    assert describe_model(store, MODEL)["champion"] == released.older
    plan = plan_retrain(MODEL, datetime(2013, 7, 20, tzinfo=UTC))
    made = {"verdict": "passed"}
    assert name_approver(plan, store, made, "Bob") == "Bob"
    assert name_approver(by_its_gate(plan), store, made, None) == "auto (gate passed)"
    done = retrain(MODEL, plan.as_of, approve_as="Bob")["release"]
    assert (done["action"], done["approver"]) == ("release", "Ada")
    assert "released by Ada, whose earlier approval this carried out; " in done["summary"]
    assert [entry.action for entry in read_ledger(store, MODEL)][2:] == ["approve", "release"]
    assert done["version"] == describe_model(store, MODEL)["champion"] == released.newer
    assert find_bento(store, MODEL, released.newer) == proven
    bento = Path(store.root, "bentos", MODEL, released.older)
    bento.rename(bento.with_name("aside"))
    asked = Decision(model=MODEL, version="", action="rollback", approver="Eve", reason="slow")
    with pytest.raises(StoreError, match=f"the bento of {released.older} is not what was released"):
        prepare_rollback(store, asked)
    assert len(read_ledger(store, MODEL)) == 4
    bento.with_name("aside").rename(bento)
    assert models_in(released.home) == [released.older.lower(), released.newer.lower()]
    shutil.rmtree(released.home / "models")
    back = release(MODEL, "", "rollback", "Eve", "too slow")
    assert models_in(released.home) == [released.older.lower(), released.newer.lower()]
    assert "carried out" not in back["summary"]
    assert (back["action"], back["version"]) == ("rollback", released.older)
    assert describe_model(store, MODEL)["champion"] == released.older


def models_in(home: Path) -> list[str]:
    """List what BentoML's own store holds of the model."""
    return sorted(each.parent.name for each in (home / "models" / MODEL).glob("*/model.yaml"))


def test_a_release_that_was_done_already_makes_a_missing_model_again(released: "Released") -> None:
    """A run may have been killed after its promotion: the same command again finishes."""
    assert models_in(released.home) == [released.older.lower()]
    shutil.rmtree(released.home / "models")
    with pytest.raises(DecisionRefused, match="was released already"):
        release(MODEL, released.older, "approve", "Ada")
    assert models_in(released.home) == [released.older.lower()]


def by_its_gate(plan: Plan) -> Plan:
    """Let the definition trust its gate."""
    trusting = plan.definition.model_copy(update={"approval": Approval(mode="auto")})
    return plan.model_copy(update={"definition": trusting})


def test_approval_beforehand_or_by_the_gate(released: "Released", run_here: Run) -> None:
    plan = plan_retrain(MODEL, None)
    made = {"verdict": "passed"}
    store = open_store()
    assert name_approver(plan, store, made, None) is None
    assert name_approver(plan, store, made, "Ada") == "Ada"
    assert name_approver(plan, store, {"verdict": "refused"}, "Ada") is None
    assert name_approver(by_its_gate(plan), store, made, None) == "auto (gate passed)"
    champion = plan.model_copy(update={"version": released.older})
    assert name_approver(champion, store, made, "Ada") is None
    assert find_done(MODEL, plan.as_of) is None


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes as Linux lists them")
def test_serving_follows_the_ledger_and_leaves_nothing_running(released: "Released") -> None:
    port = find_port()
    environment = os.environ | {"PERENNIAL_DEBUG": "1"}
    words = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(port)]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # even if the tests ignore it
    with subprocess.Popen(words, env=environment, preexec_fn=heard) as server:
        wait_for(lambda: is_ready(port), 60)
        assert serves(port) == released.older
        newer = get_version(open_store(), MODEL, released.newer)
        kept = {"version": released.newer, "manifest": newer.digest, "approver": "Ada"}
        append_entry(open_store(), MODEL, action="approve", reason="", **kept)
        for bento in ("", put_proof(open_store(), newer)):  # the first one was proven by nobody
            append_entry(open_store(), MODEL, action="release", reason="", bento=bento, **kept)
            if not bento:
                wait_for(lambda: "is not what was released" in problem(port), 30)
                assert serves(port) == released.older
        wait_for(lambda: serves(port) == released.newer, 30)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    assert not processes_in(released.root)


def problem(port: int) -> str:
    with closing(Caller(port)) as caller:
        said: str = json.loads(caller.ask("GET", "/readyz").body)["problem"]
        return said
