"""Drill: does each gate catch what it must? On copies; neither root nor sources are touched.

1. Testbed: the champion's data and files, or those of the newest version.
2. Data: the newest window spoilt in each way; the data contract and the alarms are asked.
3. Candidates: predictions and labels spoilt; the gate is asked, with the champion as its rival.
4. Registry: files, decisions and bentos tampered with; whoever reads them is asked.

What is sound must pass every guard, too.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.run_page import conclude, name_run
from tasks.core.errors import DefinitionError
from tasks.drill.data_guards import drill_data
from tasks.drill.gate_guards import drill_candidates
from tasks.drill.registry_guards import drill_registry
from tasks.drill.testbed import CLEAN, Drilled, Testbed, prepare_testbed
from tasks.registry.versions import Published, find_champion, list_versions
from tasks.storage.store import Store, open_store, work_folder

ENOUGH = 0.95


@flow(name="drill", flow_run_name=name_run)
def drill(model: str) -> dict[str, Any]:
    """Inject one fault after another into copies of a model's own data and files."""
    store = open_store()
    published = choose_version(store, model)
    with work_folder(store) as folder:
        testbed = prepare_testbed(store, published, folder)
        found = [
            *strike_data(testbed, folder),
            *strike_candidates(testbed, folder),
            *strike_registry(testbed, folder),
        ]
    done = describe(model, published, found)
    return conclude(done, *say_drill(done))


def say_drill(done: dict[str, Any]) -> tuple[str, str]:
    """Say in a word whether every guard held, and how many faults were caught."""
    verdict = "passed" if done["passed"] else "FAILED"
    false = f", {len(done['false_alarms'])} false alarms" if done["false_alarms"] else ""
    missed = [each["fault"] for each in done["faults"] if not each["caught"]]
    named = f"; missed: {', '.join(missed)}" if missed else ""
    return verdict, f"{done['caught']} of {len(done['faults'])} faults caught{false}{named}"


def choose_version(store: Store, model: str) -> Published:
    if champion := find_champion(store, model):
        return champion
    versions = list(list_versions(store, model).values())
    if not versions:
        raise DefinitionError(f"{model}: has no version to drill yet; run retrain first")
    return versions[-1]


def describe(model: str, published: Published, found: Iterable[Drilled]) -> dict[str, Any]:
    """Tell what was caught, and whether anything rang without a fault."""
    faults = [each for each in found if each.fault != CLEAN]
    false = [each for each in found if each.fault == CLEAN and each.caught]
    caught = sum(each.caught for each in faults)
    return {
        "model": model,
        "version": published.version,
        "faults": [{**each.model_dump(), "caught": each.caught} for each in faults],
        "caught": caught,
        "share": caught / len(faults),
        "false_alarms": [each.model_dump() for each in false],
        "passed": caught >= ENOUGH * len(faults) and not false,
    }


@task(name="data faults", cache_policy=NO_CACHE)
def strike_data(testbed: Testbed, folder: Path) -> list[Drilled]:
    return list(drill_data(testbed, folder))


@task(name="candidate faults", cache_policy=NO_CACHE)
def strike_candidates(testbed: Testbed, folder: Path) -> list[Drilled]:
    return list(drill_candidates(testbed, folder))


@task(name="registry faults", cache_policy=NO_CACHE)
def strike_registry(testbed: Testbed, folder: Path) -> list[Drilled]:
    return list(drill_registry(testbed, folder))
