"""The BentoML service starts in the environment that it is given, and loads nothing heavy."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from servers import Served, Versions


def test_releases_cannot_be_followed_without_a_root(strict: Served) -> None:
    assert "are not followed: PERENNIAL_ROOT is not set" in strict.output.read_text()


def test_the_service_loads_no_prefect_whylogs_or_s3fs() -> None:
    code = (
        "import sys, bentos.service;"
        "print({'prefect', 'whylogs', 's3fs', 'altair', 'pandas'} & set(sys.modules) or '')"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded.strip() == ""


def test_scikit_learn_is_not_loaded_where_it_is_installed() -> None:
    code = (
        "import sys; sys.argv[0] = '/bin/bentoml'; import bentos.service;"
        "print('sklearn' in sys.modules); import sklearn"  # whoever asks for it still finds it
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert told.strip() == "False"


def test_it_listens_on_loopback_only(served: Served) -> None:
    assert "http://127.0.0.1:" in served.output.read_text()


def test_a_call_in_python_needs_no_server(
    client: httpx.Client, versions: Versions, questions: list[dict[str, Any]], tmp_path: Path
) -> None:
    code = (
        "import json, sys; from bentos.service import service;"
        "print(json.dumps(service().predict(json.loads(sys.argv[1]))))"
    )
    given = {"PERENNIAL_MODEL": str(versions.folder(versions.second)), "PERENNIAL_ROOT": ""}
    answered = subprocess.check_output(
        [sys.executable, "-c", code, json.dumps(questions[:20])],
        env={**os.environ, **given, "BENTOML_HOME": str(tmp_path)},
        text=True,
    )
    assert json.loads(answered) == client.post("/predict", json=questions[:20]).json()
