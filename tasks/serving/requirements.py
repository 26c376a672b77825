"""What a bento needs installed: this project's own pins, reduced to what serving imports.

Nothing is resolved: versions are those installed here, so a bento is built without a network and
runs on what it was proven with. The locks lie beside this module (in a clone as links), so that a
wheel has them too.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.core.errors import DefinitionError

LOCK = Path(__file__).with_name("requirements.lock")
COMPILED_LOCK = LOCK.with_name("requirements-compiled.lock")
SERVING = (
    *("httptools", "lightgbm", "msgspec", "numpy", "polars", "prometheus-client", "pydantic"),
    *("s3fs", "uvloop"),
)
COMPILED = "llvmlite"


def serving_requirements(lock: Path = LOCK, compiled: bool = False) -> str:
    """Pin all that serving needs, one requirement a line.

    BentoML pins itself, without a hash; so none of the others can carry one.
    """
    pins = read_pins(read_lock(lock))
    needed = close_requirements("bentoml", *SERVING) - {"bentoml"}
    if compiled:
        needed |= close_requirements(COMPILED)
        if COMPILED not in needed:
            raise DefinitionError(
                f"[serving] predictor = 'compiled' needs {COMPILED}, which is not installed; run "
                "`make compiled` or `pip install perennial-ml[compiled]`"
            )
    return "".join(_pin(name, pins.get(name, "")) for name in sorted(needed))


def _pin(name: str, locked: str) -> str:
    """Take the lock's lines for a package where they pin what is installed, for any Python."""
    version = distribution(name).version
    lines = [Requirement(line) for line in locked.splitlines()]
    here = [each.specifier for each in lines if each.marker is None or each.marker.evaluate()]
    held = any(each.contains(version, prereleases=True) for each in here)
    return locked if held else f"{name}=={version}\n"


def read_lock(lock: Path = LOCK) -> str:
    return lock.read_text()


def read_pins(lock: str) -> dict[str, str]:
    r"""Read a lock's lines by package, without hashes; one package may have a line per marker.

    >>> read_pins("six==1.17.0 \\\n    --hash=sha256:0\n")
    {'six': 'six==1.17.0\n'}
    """
    pins: dict[str, str] = {}
    for name, rest in re.findall(r"^([A-Za-z0-9][\w.-]*)([^\\\n]*)", lock, re.MULTILINE):
        pins[name] = pins.get(name, "") + f"{name}{rest.rstrip()}\n"
    return pins


def read_hashes(lock: str) -> dict[str, tuple[str, ...]]:
    """Read which files a lock allows for each of its lines: their SHA-256."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    found = {
        block.partition(" \\")[0]: re.findall(r"sha256:([0-9a-f]+)", block) for block in blocks
    }
    return {pin: tuple(hashes) for pin, hashes in found.items()}


def close_requirements(*roots: str) -> set[str]:
    """Name these packages and all that they need in turn, as far as it is installed.

    >>> sorted(close_requirements("annotated-types", "no-such-package"))
    ['annotated-types']
    """
    closed: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in closed:
            continue
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        closed.add(name)
        waiting += [each for each in map(Requirement, needed) if _applies(each, requirement)]
    return closed


def _applies(requirement: Requirement, parent: Requirement) -> bool:
    extras = parent.extras or {""}
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
