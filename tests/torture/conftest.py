"""The ground that faults strike, on a disk, in a bucket or on a disk with little room."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import s3fs
from faults import FaultyS3, small_disk
from followed import Followed, following
from ground import MODEL, Ground, lay_ground

if TYPE_CHECKING:
    from conftest import Released


@pytest.fixture(params=["disk", "bucket"])
def ground(
    request: pytest.FixtureRequest,
    released: "Released",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    if request.param == "disk":
        yield lay_ground("disk", released, tmp_path, str(released.root))
    elif request.param == "small disk":
        with small_disk(tmp_path / "disk", "64m") as disk:
            shutil.copytree(released.root, disk / "root")
            yield lay_ground("small disk", released, tmp_path, str(disk / "root"))
    else:
        bucket, moto = request.getfixturevalue("bucket"), request.getfixturevalue("s3_server")
        files = s3fs.S3FileSystem(use_listings_cache=False)
        files.put(f"{released.root}/", f"{bucket}/root/", recursive=True)
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        with FaultyS3(moto) as server:
            yield lay_ground("bucket", released, tmp_path, f"{bucket}/root", server)


@pytest.fixture
def followed(ground: Ground) -> Iterator[Followed]:
    with following(ground.store, MODEL, ground.environment, ground.folder) as server:
        yield server
