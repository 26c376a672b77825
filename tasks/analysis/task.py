"""Step 2, analysis, as Prefect records it: profile a snapshot and hold it to its contract."""

import logging
from pathlib import Path

from tasks.analysis.column_summary import summarise
from tasks.analysis.data_contract import Analysis, check_contract, compare_champion, list_warnings
from tasks.analysis.leakage_hints import list_hints
from tasks.analysis.profile import to_bytes
from tasks.analysis.snapshot_profile import profile_snapshot
from tasks.core.checks import failed
from tasks.core.errors import ContractBroken
from tasks.core.steps import step
from tasks.core.wording import list_few
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.sources.query import open_table
from tasks.storage.store import reaching

log = logging.getLogger("perennial.analysis")

_NAMED = 5  # how many broken checks one message names


@step("analysis")
def analyse(plan: Plan, snapshot: Snapshot, folder: Path) -> Analysis:
    """Profile the snapshot and hold it against its contract; what breaks it stops the run."""
    profile = profile_snapshot(snapshot, plan.root, folder)
    path = folder / "profile.bin"
    with reaching(str(path)):
        path.write_bytes(to_bytes(profile))
    opened = plan.definition.tables and open_table(plan.definition, plan.project, plan.sources)
    checks = check_contract(plan, snapshot, profile, opened or None)
    if broken := failed(checks):
        named = list_few([f"{check.name}: {check.detail}" for check in broken], _NAMED, "; ")
        raise ContractBroken(
            f"{plan.origin}: the data breaks its contract: {named} "
            "(mend the data, or what [checks] allows)"
        )
    warnings = (*list_warnings(plan, snapshot, profile), *list_hints(plan, snapshot))
    log.info("%d checks of the data contract passed", len(checks))
    for warning in warnings:
        log.warning(warning)
    return Analysis(
        profile=path,
        checks=tuple(checks),
        warnings=warnings,
        columns=summarise(profile),
        **compare_champion(plan, profile),
    )
