"""The champion's bento carried elsewhere: exported, imported into another home, served from there.

A script (`make prove`) that installs nothing there but what the bento itself asks for; the tests do
the same with their own interpreter. Every holdout row must be answered as in training.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tasks.core.errors import DecisionRefused
from tasks.processes.bento_server import HOST, Booting, bento_environment, find_port, stop_server
from tasks.registry.released_bento import find_bento
from tasks.registry.versions import Published, find_champion
from tasks.serving.acceptance_test import check_identity, compare_answers, lay_tables
from tasks.serving.bento_archive import bento_tag, place_bento
from tasks.serving.bento_client import ARROW, JSON, Caller
from tasks.serving.expected_answers import compute_reference
from tasks.storage.store import Store, open_store


def carry(store: Store, version: Published, python: str, folder: Path) -> str:
    """Export a released bento, and import it into a new home by another interpreter."""
    _, model, name = version.path.split("/")
    tag, bento = bento_tag(model, name), find_bento(store, model, name)
    assert bento is not None
    here, there, file = folder / "here", folder / "there", folder / "carried.bento"
    (folder / "unrelated").mkdir()
    (folder / "unrelated/tasks.py").write_text("raise RuntimeError('not what the bento holds')")
    place_bento(store, bento, tag, here)
    run_bentoml(sys.executable, here, "export", tag, str(file))
    run_bentoml(python, there, "import", str(file))
    return tag


def run_bentoml(python: str, home: Path, *words: str) -> None:
    subprocess.run(
        [python, "-m", "bentoml", *words],
        cwd=home.parent / "unrelated", env=bare_environment(home), check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def bare_environment(home: Path) -> dict[str, str]:
    """Give what a shell has that knows nothing of this project."""
    given = bento_environment(home)
    kept = ("HOME", "LANG", "TMPDIR", "BENTOML_HOME", "BENTOML_DO_NOT_TRACK")
    return {name: given[name] for name in kept if name in given} | {"PATH": os.defpath}


@contextmanager
def serving(tag: str, python: str, folder: Path, given: dict[str, str]) -> Iterator[int]:
    """Serve the carried bento by its tag, from an unrelated folder; give the port."""
    port, log = find_port(), folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [python, "-m", "bentoml", "serve", tag, "--host", HOST, "--port", str(port)],
            cwd=folder / "unrelated", env=bare_environment(folder / "there") | given,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        Booting(server, port, log).wait()
        yield port
    finally:
        stop_server(server)


def prove_elsewhere(store: Store, version: Published, python: str, folder: Path) -> int:
    """Hold the carried bento's answers against training's; give the number of rows."""
    _, model, name = version.path.split("/")
    tag = carry(store, version, python, folder)
    reference = compute_reference(store, version, folder / "snapshot")
    given = lay_tables(store, version, reference, folder / "tables")
    with serving(tag, python, folder, given) as port, closing(Caller(port)) as caller:
        check_identity(caller, model, name)
        for kind in (JSON, ARROW):
            compare_answers(caller, reference, kind, 1_000)
    return len(reference.rows)


def make_bare(store: Store, version: Published, folder: Path) -> str:
    """Make an environment of a bento's own requirements, and nothing else."""
    _, model, name = version.path.split("/")
    bento = find_bento(store, model, name)
    assert bento is not None
    unpacked = place_bento(store, bento, bento_tag(model, name), folder / "requirements")
    python = str(folder / "environment/bin/python")
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", unpacked / "env/python/requirements.txt"], check=True)
    absent = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, sys.argv[1:])))"
    foreign = ("prefect", "whylogs", "altair", "typer", "tasks", "bentos")
    subprocess.run([python, "-c", absent, *foreign], cwd=folder, check=True)
    return python


def main(model: str) -> None:
    store = open_store()
    champion = find_champion(store, model)
    if champion is None:
        raise DecisionRefused(f"{model}: has no champion; run `make demo` first")
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as name:
        python = make_bare(store, champion, Path(name))
        rows = prove_elsewhere(store, champion, python, Path(name))
    print(f"{champion.path}: {rows:,} rows answered as in training, with its own requirements only")


if __name__ == "__main__":
    main(sys.argv[1])
