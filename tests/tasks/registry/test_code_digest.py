"""The code's digests: what moves a version, and what does not."""

import hashlib
import json
import platform
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from tasks.registry import versions
from tasks.registry.code_digest import (
    code_digest,
    maker_digest,
    model_code_digest,
    package_versions,
)

TASKS = Path(versions.__file__).parents[1]


def digest_of(changed: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Digest the code as it would be with a line more in one module."""
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b"#" * (self == changed))
    for each in (maker_digest, model_code_digest, code_digest):
        each.cache_clear()
    return model_code_digest(), code_digest()


@pytest.mark.parametrize(
    ("module", "moves"),
    [
        ("training/train.py", True),
        ("core/sql.py", True),
        ("preparation/split.py", True),
        ("reports/charts.py", False),
        ("monitoring/drift.py", False),
        ("serving/bento_build.py", False),
    ],
)
def test_only_code_that_makes_a_model_moves_its_version(
    module: str, moves: bool, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for each in (maker_digest, model_code_digest, code_digest):
        request.addfinalizer(each.cache_clear)
    before = digest_of(Path("none"), monkeypatch)
    after = digest_of(TASKS / module, monkeypatch)
    assert (after[0] != before[0]) is moves
    assert after[1] != before[1]


def test_code_is_its_modules_and_the_libraries_under_them() -> None:
    packages = package_versions()
    assert list(packages) == [
        "python", "polars", "lightgbm", "numpy", "whylogs", "prefect", "pydantic", "altair",
    ]  # fmt: skip
    assert packages["python"] == platform.python_version()
    assert packages["polars"] == installed_version("polars")
    making = {name: packages[name] for name in ("lightgbm", "numpy", "polars", "python")}
    said = maker_digest() + json.dumps(making)
    assert model_code_digest() == hashlib.sha256(said.encode()).hexdigest()
