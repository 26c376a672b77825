"""Commands without a flow: init writes a definition, doctor and serve say what is wrong."""

import json
import socket
from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]


def test_init_writes_a_definition_that_retrains(run: Run, prefect_harness: None) -> None:
    planes = "data/nycflights13/planes.parquet"
    code, out, _ = run("init", planes, "--target", "engines", "--name", "engines", "--json")
    assert code == 0
    assert json.loads(out)["model"] == "engines"
    assert run("init", planes, "--target", "engines", "--name", "engines")[0] == 2
    assert run("retrain", "engines", "--json")[0] in (0, 3)


def test_port_that_is_taken_is_told_before_anything_is_served(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, errors = run("serve", "flight-delay", "--port", port)
    assert code == 1
    assert port in errors


def test_model_without_a_champion_is_not_served(run: Run) -> None:
    code, _, errors = run("serve", "flight-delay", "--port", "1")
    assert code in (1, 2)
    assert "Traceback" not in errors
