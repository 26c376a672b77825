"""The ground that faults strike: a project with a champion, and a root beside it left in peace."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bentoml._internal.models.model import ModelStore
from faults import FaultyS3
from runs import Order, Outcome, Run
from whole import Inspector, check_bento, compare_versions

from tasks.registry.ledger import read_ledger
from tasks.registry.version_status import list_champions
from tasks.registry.versions import get_version
from tasks.serving.bento_archive import bento_tag
from tasks.storage.store import Store, open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
SEED = os.environ.get("SEED", "1")
KILLS = int(os.environ.get("KILLS", "2"))  # of each flow on each kind of root; few are a sample
LONG = "KILLS" in os.environ
in_the_long_run = pytest.mark.skipif(not LONG, reason="takes minutes: make torture")
_BEGUN = datetime(2013, 7, 20, tzinfo=UTC)  # when the newest candidate of the ground was made


def later(number: int) -> datetime:
    """Give the as-of time of the candidate after `number` others."""
    return _BEGUN + (number + 1) * timedelta(hours=1)


@dataclass(frozen=True)
class Ground:
    """Both roots begin with the same champion, and with a newer candidate that waits.

    The root lies on a disk or in a bucket; the undisturbed one always on a disk.
    """

    kind: str
    folder: Path
    project: Path
    root: str
    undisturbed: str
    champion: str
    newer: str
    environment: dict[str, str]
    server: FaultyS3 | None = None

    @property
    def store(self) -> Store:
        return open_store(self.root)

    @property
    def work(self) -> Path:
        """Where runs keep what is not finished."""
        return self.store.workspace()

    def inspector(self) -> Inspector:
        return Inspector(self.store, MODEL)

    def retrain(self, when: datetime, root: str | None = None) -> Order:
        return self._order("retrain", root or self.root, as_of=when)

    def release(self, version: str, decision: str = "approve") -> Order:
        """Release a version, whatever its gate says: no fault may depend on that."""
        given = {"version": version, "decision": decision, "approver": "Ada"}
        return self._order("release", self.root, **given, reason="a test", override=True)

    def check_retrained(self, ended: Outcome, when: datetime) -> str:
        """Hold a candidate against that of an undisturbed run; give its version."""
        undisturbed = Run(self.retrain(when, self.undisturbed)).wait()
        assert (ended.ended, undisturbed.ended) == ("done", "done"), (ended, undisturbed)
        version: str = ended.value["version"]
        here, there = self.store, open_store(self.undisturbed)
        ours, theirs = (get_version(store, MODEL, version) for store in (here, there))
        compare_versions(ours, here, theirs, there)
        return version

    def check_released(self, ended: Outcome, version: str) -> None:
        """Expect a champion with its bento; who comes after the promotion is told just that."""
        assert ended.ended == "done" or "was released already" in ended.said, ended
        ledger = read_ledger(self.store, MODEL)
        assert list_champions(ledger)[-1] == version
        actions = [entry.action for entry in ledger if entry.version == version]
        assert actions == ["approve", "release"]
        check_bento(self.store, MODEL, version, like=self.champion)
        home = Path(self.environment["BENTOML_HOME"])
        offered = bento_tag(MODEL, version).partition(":")[2]
        assert (home / "bentos" / MODEL / "latest").read_text() == offered
        offered = {bento_tag(MODEL, each) for each in list_champions(ledger)}
        assert {str(each.tag) for each in ModelStore(home / "models").list()} == offered
        assert [each.name for each in (home / "tmp").iterdir()] == ["lock"]

    def _order(self, flow: str, root: str, **parameters: Any) -> Order:
        return Order(
            flow=flow,
            parameters={"model": MODEL, **parameters},
            folder=self.project,
            environment=self.environment | {"PERENNIAL_ROOT": root},
            log=self.folder / "runs.log",
        )


def lay_ground(
    kind: str, released: "Released", folder: Path, root: str, server: FaultyS3 | None = None
) -> Ground:
    from prefect.settings import PREFECT_API_URL

    undisturbed = released.copy(folder / "undisturbed").root
    environment = dict(os.environ) | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_HOME": str(folder / "prefect"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "PERENNIAL_ROOT": root,
    }
    if server is not None:
        environment |= {"AWS_ENDPOINT_URL": server.address, "TMPDIR": str(folder / "tmp")}
    return Ground(
        kind=kind,
        folder=folder,
        project=released.project,
        root=root,
        undisturbed=str(undisturbed),
        champion=released.older,
        newer=released.newer,
        environment=environment,
        server=server,
    )
