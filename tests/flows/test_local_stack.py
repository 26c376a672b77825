"""The five triggers and the mishaps, on a real server with a real worker: one system for all."""

import json
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import httpx
import polars as pl
import pytest
from system import MODEL, REPOSITORY, System, wait_for

from flows import local_stack
from flows.automations import register_automations
from flows.retrain import plan_retrain
from tasks.monitoring.new_data import find_new_data
from tasks.registry.overview import describe_model
from tasks.registry.versions import find_champion, list_versions
from tasks.storage.store import open_store
from tasks.training.published_model import load

if TYPE_CHECKING:
    from conftest import Released


EXAMPLES = {"String": "EWR", "Datetime": "2013-08-01T12:00:00Z"}


class Alerts(BaseHTTPRequestHandler):
    said: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.said.append(json.loads(body)["text"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def alerts() -> Iterator[str]:
    """Listen for what a person is to be told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Alerts)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def system(
    released_once: "Released", alerts: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Bring a system up on a project with a champion, and down again with nothing left."""
    copied = released_once.copy(tmp_path_factory.mktemp("system"))
    system = System(copied.project, copied.root, copied.home, alerts)
    try:
        begun = system.operate("up")
        assert begun.returncode == 0, begun.stderr
        system.log_in()
        assert begun.stdout.count(system.password) == 1
        assert "retrain/clocked is new; retrain/clocked runs at '* * * * *'" in begun.stdout
        yield system
    finally:
        ended = system.operate("down")
        system.client.close()
    assert ended.stdout == "stopped\n"
    wait_for(lambda: not system.processes(), 5)


@pytest.fixture
def here(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """Look at the registry from the system's project."""
    monkeypatch.chdir(system.project)
    monkeypatch.setenv("PERENNIAL_ROOT", str(system.root))
    return system


def is_done(model: str) -> bool:
    """Tell whether the newest data has its candidate."""
    return plan_retrain(model, None).version in list_versions(open_store(), model)


def test_second_up_finds_the_first_one_running(system: System) -> None:
    before = {each.pid for each in system.named("flows.local_stack keep")}
    again = system.operate("up")
    assert again.returncode == 0
    assert f"http://127.0.0.1:{system.ui_port}" in again.stdout
    assert system.password not in again.stdout
    assert {each.pid for each in system.named("flows.local_stack keep")} == before


def test_each_part_is_told_with_its_process_and_its_port(system: System) -> None:
    done = system.operate("ps", "--json")
    assert done.returncode == 0, done.stderr
    parts = {part["name"]: part for part in json.loads(done.stdout)["parts"]}
    services = [f"service-{model}" for model in sorted([MODEL, *system.others])]
    assert list(parts) == ["server", "worker", "ui", *services]
    assert parts[services[0]]["url"].endswith(f":{system.serve_port}")
    assert parts[f"service-{MODEL}"]["detail"].startswith("follows the champion, ")
    assert {each.pid for each in system.processes()} >= {part["pid"] for part in parts.values()}
    (kept,) = system.project.glob("**/run")
    own = [path for path in kept.iterdir() if stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert own == []


def test_definition_prefect_file_and_server_agree(system: System) -> None:
    """A time that is edited in the definition, and nothing else, is another on the server."""
    again = json.loads(system.operate("deploy", "--json").stdout)
    assert (again["changes"], again["changed"], again["strays"]) == ([], [], [])
    assert len(again["same"]) == 4 * (1 + len(system.others))
    path = system.project / "deployments" / "drifting.toml"
    before = path.read_text()
    path.write_text(before.replace('retrain = "never"', 'retrain = "30 3 * * 0"'))
    assert system.operate("deploy", "--check").returncode == 1
    done = json.loads(system.operate("deploy", "--json").stdout)
    assert done["changed"] == ["retrain/drifting"]
    assert system.times("retrain/drifting") == [("30 3 * * 0", "America/New_York")]
    path.write_text(before)
    assert system.operate("deploy", "drifting").returncode == 0
    assert system.times("retrain/drifting") == []
    by_prefect = system.run("flows.prefect_process", "prefect", "--no-prompt", "deploy", "--all")
    assert by_prefect.returncode == 0, by_prefect.stdout
    assert json.loads(system.operate("deploy", "--json").stdout)["changed"] == []


def test_logs_of_a_part_are_shown_and_followed(system: System) -> None:
    done = system.operate("logs", "drifting", "--json")
    assert list(json.loads(done.stdout)["logs"]) == ["service-drifting"]
    wrong = system.operate("logs", "driftin")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "perennial: no part is named 'driftin'; did you mean 'service-drifting'?\n",
    )
    command = [sys.executable, "-P", "-m", "flows.process", "logs", "register", "--lines", "1"]
    following = subprocess.Popen(
        command, cwd=system.project, env=system.variables, stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    with following.stdout as said:
        assert said.readline().startswith("register  ")
        (log,) = system.project.glob("**/run/register.log")
        with log.open("a") as file:
            file.write("half a line")
            file.flush()
            file.write(", and its end\n")
        assert said.readline() == "register  half a line, and its end\n"
        following.terminate()
        assert following.wait(10) == 0


def test_password_is_its_owners_alone(here: System) -> None:
    (kept,) = here.project.glob("**/run/password")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    stranger = httpx.Client(base_url=here.api, trust_env=False)
    with stranger:
        for path in ("/version", "/admin/version", "/openapi.json", "/docs"):
            assert stranger.get(path).status_code == 401, path
        assert stranger.post("/deployments/filter", json={}).status_code == 401
    said = [word for each in here.processes() for word in each.cmdline()]
    written = [each for each in kept.parent.rglob("*") if each.is_file() and each != kept]
    written += [each for each in here.root.rglob("*") if each.is_file()]
    _, _, secret = here.password.partition(":")
    assert secret not in " ".join(said)
    assert [each for each in written if secret.encode() in each.read_bytes()] == []


def test_forged_host_is_refused_whatever_it_knows(here: System) -> None:
    for path in ("/health", "/version"):
        assert here.client.get(path).status_code == 200
        assert here.client.get(path, headers={"Host": "evil.example"}).status_code == 400


def test_command_of_a_run_is_no_variable(here: System) -> None:
    template = here.client.get("/work_pools/local").json()["base_job_template"]
    assert "command" not in template["variables"]["properties"]
    assert template["job_configuration"]["command"].endswith(" prefect.engine")


def test_wrong_words_are_wrong_usage_and_a_refusal_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(local_stack.COMMANDS, "server", interrupt)
    for words, code in {("register", "now"): 2, ("register",): 2, ("server",): 130}.items():
        monkeypatch.setattr(sys, "argv", ["local_stack", *words])
        with pytest.raises(SystemExit) as stopped:
            local_stack.main()
        assert stopped.value.code == code
    said = capsys.readouterr().err
    assert "register: too many positional arguments" in said
    assert said.endswith("perennial init DATA --target COLUMN\n")


class Page(BaseHTTPRequestHandler):
    """A page of another origin: what it tries, it tells its own server."""

    script: ClassVar[str] = ""
    told: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<script>{self.script}</script>".encode())

    def do_POST(self) -> None:
        self.told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


# Read with CORS; then blindly, as a form may: without a type, a body is taken for JSON.
SCRIPT = """
const api = "API", say = text => fetch("/", {method: "POST", body: text});
const ask = {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"};
fetch(api + "/deployments/filter", ask)
  .then(async answer => say("read " + answer.status + await answer.text()), () => say("not read"))
  .then(() => fetch(api + "/deployments/ID/create_flow_run", {method: "POST", mode: "no-cors",
    body: new Blob([JSON.stringify({job_variables: {command: "/bin/sh -c 'id > PROOF'"}})])}))
  .then(() => say("sent"), () => say("not sent"));
"""
CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_page_of_another_origin_reads_and_starts_nothing(here: System, tmp_path: Path) -> None:
    deployment = here.client.get(f"/deployments/name/release/{MODEL}").json()["id"]
    before, proof = len(here.runs(f"release/{MODEL}")), tmp_path / "proof"
    words = {"API": here.api, "ID": deployment, "PROOF": str(proof)}
    for word, meant in words.items():
        Page.script = (Page.script or SCRIPT).replace(word, meant)
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={tmp_path / 'browser'}",
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages:
        threading.Thread(target=pages.serve_forever, args=(0.05,)).start()
        address = f"http://127.0.0.1:{pages.server_port}/"
        browser = subprocess.Popen(
            [str(CHROMIUM), *flags, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: len(Page.told) == 2)
        finally:
            browser.kill()
            browser.wait()
            pages.shutdown()
    assert Page.told == ["not read", "sent"]
    with suppress(AssertionError):
        wait_for(lambda: len(here.runs(f"release/{MODEL}")) > before, 3)
    assert len(here.runs(f"release/{MODEL}")) == before
    assert not proof.exists()


def test_on_demand(here: System) -> None:
    done = here.run("prefect", "deployment", "run", f"retrain/{MODEL}")
    assert done.returncode == 0, done.stderr
    run = here.wait_for_run(f"retrain/{MODEL}")
    assert run["created_by"] is None or run["created_by"]["type"] != "AUTOMATION"
    assert is_done(MODEL)


def test_new_data(here: System) -> None:
    flights = pl.read_parquet(REPOSITORY / "data/nycflights13/flights-2013-08.parquet")
    flights.gather_every(97).write_parquet("data/nycflights13/flights-2013-08.parquet")
    champion = find_champion(open_store(), MODEL)
    assert champion is not None
    found = find_new_data(plan_retrain(MODEL, None), load(open_store(), champion))
    assert found.enough
    here.emit(MODEL, "new-data", found.key)
    here.wait_for_run(f"retrain/{MODEL}", place=1)
    assert is_done(MODEL)


def test_on_schedule(here: System) -> None:
    run = here.wait_for_run("retrain/clocked")
    assert run["auto_scheduled"]
    assert run["expected_start_time"].partition(".")[0].endswith(":00Z")
    assert list_versions(open_store(), "clocked")
    here.client.patch(f"/deployments/{run['deployment_id']}", json={"paused": True})


def test_quality_lost_and_distribution_moved(here: System) -> None:
    """Each model has its own run, and a repeated event has none."""
    for _ in range(3):
        here.emit("losing", "quality-lost", "v1/2013-08")
        here.emit("drifting", "distribution-moved", "v1/2013-08")
    here.emit("losing", "data-broken", "v1/2013-08")
    for model in ("losing", "drifting"):
        here.wait_for_run(f"retrain/{model}")
        assert len(here.runs(f"retrain/{model}")) == 1
        assert is_done(model)
    # The look that finds broken data tells people itself: the server only keeps it in sight.
    wait_for(lambda: "perennial.data-broken" in here.operate("ps").stdout, 30)


def test_release_by_its_form_reaches_the_service(here: System) -> None:
    wrong = here.start_run(f"release/{MODEL}", version="x", decision="perhaps", approver="Ada")
    assert wrong.status_code == 409
    assert "'perhaps' is not one of ['approve', 'reject', 'rollback']" in wrong.text
    service = httpx.Client(base_url=f"http://127.0.0.1:{here.serve_port + 2}", trust_env=False)
    newest = describe_model(open_store(), MODEL)["waiting"][-1]
    given = {"version": newest, "decision": "approve", "approver": "Ada"}
    assert here.start_run(f"release/{MODEL}", **given).status_code == 201
    here.wait_for_run(f"release/{MODEL}")
    with service:
        wait_for(lambda: service.get("/model").json()["version"] == newest)
        columns = service.get("/model").json()["columns"]
        row = {each["name"]: EXAMPLES.get(each["type"].partition("(")[0], 900) for each in columns}
        answer = service.post("/predict", json=row).raise_for_status().json()
    assert answer["version"] == newest
    assert 0 < answer["prediction"] < 1


def test_action_that_fails_is_noticed(here: System) -> None:
    retrain = here.client.get(f"/deployments/name/retrain/{MODEL}").json()["id"]
    broken = {"template": "{{ 1 / 0 }}", "__prefect_kind": "jinja"}
    automation = {
        "name": "broken template",
        "trigger": {"type": "event", "expect": ["perennial.broken"], "threshold": 1, "within": 0}
        | {"posture": "Reactive"},
        "actions": [
            {"type": "run-deployment", "source": "selected", "deployment_id": retrain}
            | {"parameters": {"model": broken}}
        ],
    }
    assert here.client.post("/automations/", json=automation).status_code == 201
    here.emit(MODEL, "broken", "k")
    wait_for(lambda: [each for each in Alerts.said if "broken template failed: " in each])
    # The server keeps events for up to five seconds before it writes them down.
    said = "prefect.automation.action.failed  broken template"
    wait_for(lambda: said in here.operate("ps").stdout, 30)


def test_run_that_dies_with_its_worker_is_crashed_and_may_run_again(here: System) -> None:
    with here.meant():
        names = register_automations(silence=timedelta(seconds=10))
        assert names == register_automations(silence=timedelta(seconds=10))
    known = [each["name"] for each in here.client.post("/automations/filter", json={}).json()]
    assert sorted(known) == sorted(set(known))
    assert here.start_run("retrain/slow").status_code == 201
    here.wait_for_run("retrain/slow", "RUNNING")
    wait_for(lambda: heard(here))
    (worker,) = here.named("prefect worker start")
    for each in [*worker.children(recursive=True), worker]:
        each.kill()
    assert here.start_run("retrain/slow").status_code == 201
    here.wait_for_run("retrain/slow", "CRASHED")
    here.wait_for_run("retrain/slow", "RUNNING", place=1)


def heard(system: System) -> bool:
    asked = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}, "limit": 50}
    events = system.client.post("/events/filter", json=asked).json()["events"]
    run = system.runs("retrain/slow")[0]["id"]
    return any(run in each["resource"]["prefect.resource.id"] for each in events)
