"""Sources in a bucket: read whatever it fails at for a while, and refused when it is not there."""

import time
from datetime import timedelta
from itertools import cycle

import pytest
import s3fs
from faults import FaultyS3
from polars.testing import assert_frame_equal
from tables import ROWS, START, Project

from tasks.core.errors import SourceError


def upload(made: Project, bucket: str) -> str:
    """Put the table into a bucket, and give its address."""
    made.write({"s.parquet": ROWS})
    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.put_file(str(made.folder / "s.parquet"), f"{bucket}/data/s.parquet")
    return f"{bucket}/data/s.parquet"


def test_bucket_that_fails_half_of_its_calls_gives_every_row(
    made: Project, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = upload(made, bucket)
    with FaultyS3(s3_server) as server:
        answers = cycle((500, None, 503, None))
        server.fault = lambda method, path: next(answers)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        plan = made.plan(sources=f's = "{uri}"', as_of=START + timedelta(days=30))
        assert_frame_equal(made.snapshot(plan).scan().collect(), ROWS)
        assert len(server.requests) > 10


def test_bucket_that_refuses_says_so_at_once(
    made: Project, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = upload(made, bucket)
    with FaultyS3(s3_server) as server:
        server.fault = lambda method, path: 403
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        with pytest.raises(
            SourceError, match=f"^{uri}: access is denied .*; check the S3 credentials"
        ):
            made.plan(sources=f's = "{uri}"')


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_bucket_out_of_reach_is_given_up_soon(
    made: Project, bucket: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    started = time.monotonic()
    with pytest.raises(SourceError, match=f"^{bucket}/s.parquet: cannot be reached"):
        made.plan(sources=f's = "{bucket}/s.parquet"')
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("{bucket}-none/s.parquet", "there is no bucket"),
        ("{bucket}/none/*.parquet", "no file matches"),
        ("{bucket}/data", "if it is a folder, name the files in it"),
    ],
)
def test_address_that_leads_nowhere_is_refused(
    made: Project, bucket: str, uri: str, said: str
) -> None:
    upload(made, bucket)
    with pytest.raises(SourceError, match=said):
        made.plan(sources=f's = "{uri.format(bucket=bucket)}"')
