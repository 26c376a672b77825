"""What the page shows to be copied is run as it stands, in a shell and in Python."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from any_model import QUESTION
from servers import TOKEN, Served, serving

from bentos.model import Model
from bentos.snippets import ADDRESS, write_snippets


@pytest.fixture(scope="module")
def behind_token(
    classes_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("snippets")
    with serving(folder, classes_folder, PERENNIAL_TOKEN=TOKEN, PERENNIAL_ROOT="") as running:
        yield running


@pytest.mark.parametrize("place", range(4), ids=["curl", "bentoml", "httpx", "arrow"])
def test_a_snippet_is_answered_as_it_stands(
    behind_token: Served, classes: Model, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_TOKEN", TOKEN)
    source = write_snippets(classes, token=True)[place]["source"]
    own = source.replace(ADDRESS, behind_token.url, 1)
    shell = ["bash", "-c"] if place == 0 else [sys.executable, "-c"]
    done = subprocess.run([*shell, own], capture_output=True, text=True, check=True, timeout=60)
    with behind_token.client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
        row = json.loads(classes.examples[0])
        answer: dict[str, Any] = client.post("/predict", json=row).raise_for_status().json()
    assert answer["label"] in done.stdout
    assert f"{answer['prediction'][0]:.3f}"[:4] in done.stdout


def test_examples_are_whole_rows_of_what_the_model_needs(classes: Model) -> None:
    rows = [json.loads(each) for each in classes.examples]
    assert len(rows) == 3
    assert all(set(row) == set(QUESTION) for row in rows)


def test_a_version_without_examples_has_no_snippets(classes: Model) -> None:
    assert write_snippets(replace(classes, examples=()), token=False) == []
