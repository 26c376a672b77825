"""What is installed is what is locked, by its bytes, and under licences that allow its use."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.serving.licences import find_licence

REPOSITORY = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-compiled.lock")
APART = "requirements-docs.lock"  # builds the site, in an environment of its own
_OURS_AND_THE_INSTALLER = {"perennial-ml", "pip", "setuptools"}
_PERMITTED = re.compile(
    r"\b(MIT|MIT-0|Apache|BSD|ISC|Zlib|0BSD|CC0-1\.0|PSF-2\.0|Python Software Foundation|Unlicense"
    r"|CNRI-Python|MPL-2\.0|Mozilla Public License 2\.0|Artistic License)\b"
)


def read_lock(name: str) -> list[tuple[Requirement, int]]:
    """Read a lock's requirements, each with the number of its hashes."""
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    return [
        (Requirement(line.partition(" --hash")[0]), line.count("--hash=sha256:")) for line in lines
    ]


def pins(name: str) -> dict[str, str]:
    """Give what a lock pins on this machine, by package."""
    here = [each for each, _ in read_lock(name) if each.marker is None or each.marker.evaluate()]
    assert len(here) == len({each.name for each in here}), "a package is pinned twice"
    return {canonicalize_name(each.name): str(each.specifier) for each in here}


@pytest.mark.parametrize("lock", [*LOCKS, APART])
def test_lock_pins_every_package_by_hash_and_names_no_host(lock: str) -> None:
    assert "://" not in (REPOSITORY / lock).read_text()
    for requirement, hashes in read_lock(lock):
        assert hashes, f"{requirement} has no hash"
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement


def test_locks_agree() -> None:
    dev = pins("requirements-dev.lock")
    for lock in LOCKS:
        assert pins(lock).items() <= dev.items(), lock


def test_what_is_declared_is_locked_within_its_bounds() -> None:
    written = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    dev = [each for each in written["dependency-groups"]["dev"] if isinstance(each, str)]
    locked = pins("requirements-dev.lock")
    for each in map(Requirement, [*written["project"]["dependencies"], *dev]):
        version = locked[canonicalize_name(each.name)].removeprefix("==")
        assert each.specifier.contains(version), each


def test_what_is_installed_is_what_is_locked() -> None:
    installed = {canonicalize_name(each.name): f"=={each.version}" for each in distributions()}
    for name in _OURS_AND_THE_INSTALLER:
        installed.pop(name, None)
    locked = pins("requirements-dev.lock")
    assert {name for name in locked if name not in installed} == set()
    strangers = {
        name: version for name, version in installed.items() if locked.get(name) != version
    }
    assert strangers == {}, "make the environment anew: make clean .venv/dev"


def test_every_licence_is_known_and_permitted() -> None:
    licences = {name: find_licence(name) for name in pins("requirements-dev.lock")}
    assert {name for name, licence in licences.items() if not licence} == set()
    # Where one may choose, one permitted licence is enough; where all apply, each is.
    refused = {
        name: licence
        for name, licence in licences.items()
        if not all(_PERMITTED.search(part) for part in re.split(r"\band\b|\bAND\b", licence or ""))
    }
    assert refused == {}
