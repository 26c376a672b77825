"""The house keeps its shape: imports run one way, and each library has its owner."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# A module imports only those that stand before it.
ORDER = [
    *("errors", "names", "steps", "durations", "hosts", "definition", "named", "checks"),
    *("expressions", "moments", "lookups", "texts", "values", "queries", "tables", "features"),
    *("bucket", "store", "kept", "signatures", "ledger", "trust", "registry", "standing"),
    *("decisions", "overview"),
    *("forest_loop", "forest", "metrics", "profiles", "drift", "plan"),
    *("shares", "cluster"),
    *("folders", "contents", "unions", "spellings"),
    *("files", "postgres", "exports", "sources", "partitions", "beforehand", "carried", "parts"),
    *("extraction", "labels", "materialised", "materialising", "preparation", "profiling"),
    "hindsight",
    *("analysis", "binning", "parameters", "growing", "training", "proposals", "tuning"),
    *("evaluation", "champion", "validation", "quality"),
    *("candidate", "charts", "page", "wording", "report_data", "report"),
    *("measures", "numerals", "dates", "reading"),
    *("survey", "sums", "giveaways", "draft", "drafting"),
    *("requirements", "licences", "materials"),
    *("server", "reference", "proof", "proven", "archives", "serving"),
    *("log_parts", "mending", "inputs", "scoring"),
    *("reproduction", "events", "arrivals", "environment", "keeper", "diagnosis"),
    *("windows", "signs", "quarters", "alarms", "looks", "yardstick", "policies"),
    *("estimate", "logged", "outcomes", "skew", "counters", "promised", "raised"),
    *("stretches", "watching", "behind", "judged", "drifted", "served", "findings", "monitoring"),
    *("outlook", "outlook_page"),
    *("replay", "comparison"),
    *("faults", "ground", "drilling", "tampering"),
]
OWNERS = {
    "whylogs": {"tasks.analysis.profile"},
    "s3fs": {"tasks.storage.s3"},
    "botocore": {"tasks.storage.s3"},
    "altair": {"tasks.reports.charts"},
    "vl_convert": {"tasks.reports.charts"},
    "llvmlite": {"tasks.prediction.llvm_kernel"},
    "optuna": {"tasks.training.optuna_search"},
    "distributed": {"tasks.cluster.dask_cluster", "tasks.training.dask_worker"},
    "adbc_driver_postgresql": {"tasks.sources.postgres"},
    "typer": {"flows.cli"},
    "rich": {"flows.console"},
}
KNOW_PREFECT = {"steps", "events", "diagnosis"}


@cache
def modules(folder: str) -> dict[str, list[str]]:
    """Give what each module of a folder imports, at any depth of its code."""
    found = {}
    for path in (REPOSITORY / folder).glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        imported = []
        for node in tree:
            if isinstance(node, ast.ImportFrom):
                imported.append(node.module or "")
            elif isinstance(node, ast.Import):
                imported += [alias.name for alias in node.names]
        found[f"{folder}.{path.stem}"] = imported
    return found


def test_tasks_import_only_what_stands_before_them() -> None:
    for name, imported in modules("tasks").items():
        place = name.removeprefix("tasks.")
        before = ORDER[: ORDER.index(place)] if place != "__init__" else []
        ours = {each.removeprefix("tasks.") for each in imported if each.startswith("tasks.")}
        assert ours <= set(before), f"{name} imports {ours - set(before)}"
        assert not any(each.startswith("flows") for each in imported), name


@pytest.mark.parametrize("library", OWNERS)
def test_library_is_imported_by_its_owner_only(library: str) -> None:
    users = {
        name
        for name, imported in (modules("tasks") | modules("flows")).items()
        if any(each.split(".")[0] == library for each in imported)
    }
    assert users == OWNERS[library]


def test_only_steps_events_diagnosis_and_flows_know_prefect() -> None:
    users = {
        name.removeprefix("tasks.")
        for name, imported in modules("tasks").items()
        if any(each.split(".")[0] == "prefect" for each in imported)
    }
    assert users == KNOW_PREFECT


@pytest.mark.parametrize(
    "modules",
    [
        "tasks.features.transform, tasks.core.definition, tasks.registry.versions",
        "flows.cli, tasks.registry.overview",
    ],
)
def test_what_serves_or_only_looks_loads_none_of_the_heavy_libraries(modules: str) -> None:
    code = (
        f"import sys, {modules};"
        "print({'prefect', 'whylogs', 's3fs', 'lightgbm', 'altair'} & set(sys.modules) or '')"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)
    assert loaded.strip() == ""


def test_map_names_every_module_of_tasks() -> None:
    text = (REPOSITORY / "docs" / "contributing.md").read_text()
    table = text.partition("## Where things are")[2].partition("## ")[0]
    named = re.findall(r"`(\w+)`", table.partition("|---|---|")[2])
    assert sorted(f"tasks.{each}" for each in ["__init__", *named]) == sorted(modules("tasks"))
