"""The ground that is tortured: a project with a champion, on a disk or in a bucket."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import s3fs
from faults import FaultyS3
from followed import Followed, following
from runs import Order
from whole import Inspector

from tasks.store import Store, open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


@dataclass(frozen=True)
class Ground:
    """A root that faults strike, and one beside it that nothing disturbs.

    Both begin with the same champion, and with a newer candidate that waits.
    """

    kind: str
    folder: Path
    project: Path
    root: str
    undisturbed: str
    champion: str
    newer: str
    environment: dict[str, str]
    server: FaultyS3 | None

    @property
    def store(self) -> Store:
        return open_store(self.root)

    @property
    def work(self) -> Path:
        """Where runs keep what is not finished."""
        return self.store.workspace()

    def order(self, flow: str, root: str | None = None, **parameters: Any) -> Order:
        return Order(
            flow=flow,
            parameters={"model": MODEL, **parameters},
            folder=self.project,
            environment=self.environment | {"PERENNIAL_ROOT": root or self.root},
            log=self.folder / "runs.log",
        )

    def inspector(self) -> Inspector:
        return Inspector(self.store, MODEL)


@pytest.fixture(params=["disk", "bucket"])
def ground(
    request: pytest.FixtureRequest,
    released: "Released",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    if request.param == "disk":
        yield lay_ground("disk", released, tmp_path, str(released.root), None)
        return
    bucket, moto = request.getfixturevalue("bucket"), request.getfixturevalue("s3_server")
    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.put(f"{released.root}/", f"{bucket}/root/", recursive=True)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with FaultyS3(moto) as server:
        yield lay_ground("bucket", released, tmp_path, f"{bucket}/root", server)


def lay_ground(
    kind: str, released: "Released", folder: Path, root: str, server: FaultyS3 | None
) -> Ground:
    from prefect.settings import PREFECT_API_URL

    undisturbed = released.copy(folder / "undisturbed").root
    environment = dict(os.environ) | {
        "PREFECT_API_URL": PREFECT_API_URL.value(),
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


@pytest.fixture
def followed(ground: Ground) -> Iterator[Followed]:
    with following(ground.store, MODEL, ground.environment, ground.folder) as server:
        yield server
