"""What the retrain flow costs over a bare script, and over the same steps under orchestrators.

Run `python -m benchmarks.retrain [ROWS...]`. Rows are a made-up history with 24 features
(`history`), 100 rounds at every size, where early stopping would go on: only rows grow. The script
makes the same library calls (`plain`); it profiles and checks nothing, draws no interval and no
report, and keeps no registry: that is what the difference pays for.
Metaflow and ZenML run the script's steps, written plainly: frames and models are their artifacts,
in stores on the same disk. Start-up (imports, Prefect's temporary server, ZenML's store) is left
out; Metaflow's steps start processes of their own, whose start is in, and the largest counts.
Of rows that a peer could not hold in memory, or not in sensible time, the others are measured.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.history import ROUNDS
from benchmarks.measure import (
    ROOT,
    Measurement,
    hide_scikit_learn,
    install_peers,
    measure,
    read_versions,
)
from benchmarks.study import Goal, Study, measure_everyone

LOCK, PEERS = ROOT / "benchmarks/flow_peers.lock", ROOT / ".venv-flow-peers"
TEN, THREE = 10_000_000, 3_000_000


def run_perennial(project: str) -> Callable[[], object]:
    """Prepare the real flow, Prefect's temporary server started."""
    import os

    os.chdir(project)
    os.environ["PERENNIAL_ROOT"] = tempfile.mkdtemp(dir=project)
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    hide_scikit_learn()
    from flows.retrain import retrain

    start_prefect()
    return lambda: retrain("flight-delay")


def run_script(project: str) -> Callable[[], object]:
    import os

    os.chdir(project)
    from benchmarks import plain

    def work() -> None:
        plain.extract("bare.parquet")
        table = plain.prepare("bare.parquet")
        plain.evaluate(table, plain.train(table))

    return work


def run_metaflow(project: str) -> Callable[[], object]:
    """Prepare a Metaflow run with its store in the project."""
    import os
    import subprocess

    os.chdir(project)
    quiet = {"METAFLOW_DISABLE_TRACING": "1", "METAFLOW_DEFAULT_MONITOR": "nullSidecarMonitor"}
    here = {"METAFLOW_HOME": project, "METAFLOW_DATASTORE_SYSROOT_LOCAL": project}
    environment = os.environ | quiet | here | {"PYTHONPATH": str(ROOT), "USERNAME": "benchmark"}
    flow = str(ROOT / "benchmarks/plain_metaflow.py")
    command = [sys.executable, flow, "--quiet", "run"]
    return lambda: subprocess.run(command, env=environment, check=True, stdout=sys.stderr)


def run_zenml(project: str) -> Callable[[], object]:
    """Prepare a ZenML run with its store in the project, the store brought up."""
    import os

    os.chdir(project)
    os.environ |= {
        "ZENML_CONFIG_PATH": f"{project}/zenml",
        "ZENML_LOCAL_STORES_PATH": f"{project}/zenml/stores",
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "ZENML_REPOSITORY_PATH": project,
        "OMP_WAIT_POLICY": "PASSIVE",  # as `plain` has it, which is imported too late here
    }
    from benchmarks import plain_zenml

    plain_zenml.start()
    return plain_zenml.retrain


def start_prefect() -> None:
    from prefect import flow

    flow(lambda: None, name="start")()


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Measure everyone side by side on a project of so many rows."""
    project, peers = str(folder / "project"), install_peers(LOCK, PEERS)
    measure("benchmarks.history:make_project", project, str(rows))
    return measure_everyone(STUDY, rows, peers, ("perennial", "script"), project)


def list_versions() -> dict[str, str]:
    peers = read_versions("metaflow", "zenml", lock=LOCK)
    return read_versions("polars", "lightgbm", "prefect") | peers


STUDY = Study(
    name="retrain",
    title=f"From sources to a judged candidate of {ROUNDS} rounds, beside the same steps in a bare "
    "script, under Metaflow and under ZenML.",
    compare=compare,
    versions=list_versions,
    ours=("perennial",),
    peers=("script", "metaflow", "zenml"),
    goals=(
        Goal("perennial", "script", 1.10, rows=TEN),
        Goal("perennial", "script", 1.2, of="peak_mb"),
        Goal("perennial", "", 6000, of="peak_mb", rows=30_000_000),
    ),
    limits={"script": TEN, "metaflow": THREE, "zenml": THREE},
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
