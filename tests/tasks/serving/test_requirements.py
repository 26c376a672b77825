"""A bento pins what serving imports, as it is installed here."""

import re
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from tasks.core.errors import DefinitionError
from tasks.serving import requirements
from tasks.serving.requirements import (
    close_requirements,
    read_hashes,
    read_lock,
    serving_requirements,
)


def test_requirements_come_from_the_lock_with_their_markers(tmp_path: Path) -> None:
    lock, numpy = tmp_path / "lock", installed_version("numpy")
    lock.write_text(
        "polars==9.9.9 \\\n    --hash=sha256:abc\n"
        "numpy==1.0 ; python_version < '3' \\\n    --hash=sha256:abc\n"
        f"numpy=={numpy} ; python_version >= '3' \\\n    --hash=sha256:abc\n"
    )
    lines = serving_requirements(lock).splitlines()
    # What is installed here is what the bento is proven with, whatever the lock says.
    assert f"polars=={installed_version('polars')}" in lines
    assert [line for line in lines if line.startswith("numpy")] == [
        "numpy==1.0 ; python_version < '3'",
        f"numpy=={numpy} ; python_version >= '3'",
    ]
    assert "hash" not in "".join(lines)


def test_compiled_predictor_that_is_not_installed_is_told_before_any_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert close_requirements("no-such-package") == set()
    monkeypatch.setattr(requirements, "COMPILED", "no-such-package")
    with pytest.raises(DefinitionError, match="needs no-such-package, which is not installed"):
        serving_requirements(compiled=True)


def test_hashes_are_read_from_every_block_of_the_lock() -> None:
    hashes = read_hashes(read_lock())
    assert len(hashes) == len(re.findall(r"^\S+==", read_lock(), re.MULTILINE))
    assert all(re.fullmatch("[0-9a-f]{64}", each) for found in hashes.values() for each in found)
