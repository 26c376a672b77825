"""Newer packages, tried in a copy of this project: lock, environment, and the tests that matter.

A script (`make upgrade PACKAGE="prefect bentoml==1.4.40"`). Responsible for which tests those are,
and for saying what would change. Not responsible for taking it over: a person does that, by the
commands that are printed at the end.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
ALWAYS = ("tests/test_locks.py", "tests/test_package.py")
_PROJECT, _LOCKS = "pyproject.toml", "requirements*.lock"


def main(packages: Sequence[str]) -> int:
    wanted = [Requirement(each) for each in packages]
    copy = copy_project(Path(tempfile.mkdtemp(prefix="perennial-upgrade-")) / "project")
    settled = copy / _PROJECT
    settled.write_text(loosen(settled.read_text(), wanted))
    lock = ["make", "--silent", "--old-file=.venv/dev", "lock", f"BIN={Path(sys.prefix) / 'bin'}"]
    subprocess.run([*lock, f"UPGRADE={' '.join(map(str, wanted))}"], cwd=copy, check=True)
    moved = list(compare_locks(REPOSITORY, copy))
    print("\n".join(moved) or "nothing newer is allowed by what the others ask for", flush=True)
    if not moved:
        return 0
    python = f"PYTHON={sys._base_executable}"  # not that of the environment
    subprocess.run(["make", "--silent", ".venv/dev", python], cwd=copy, check=True)
    tests = choose_tests(wanted)
    print("tested by", *tests, flush=True)
    done = subprocess.run([".venv/bin/pytest", "-p", "no:cacheprovider", *tests], cwd=copy)
    print("they fail: what they say is what is to be mended" if done.returncode else "they hold")
    print(f"take it over with: cp {shlex.quote(str(copy))}/{{{_PROJECT},{_LOCKS}}} .")
    print("and write the bounds in pyproject.toml that you want; make lock .venv/dev")
    return done.returncode


def copy_project(target: Path) -> Path:
    """Copy all files that git knows, as they lie here now."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=REPOSITORY, text=True)
    for name in filter(None, listed.split("\0")):
        if (source := REPOSITORY / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def loosen(project: str, wanted: Sequence[Requirement]) -> str:
    """Let packages go up, or to what is asked for, where pyproject.toml holds them.

    >>> loosen('dependencies = ["prefect==3.9.1", "rich>=13,<16"]', [Requirement("prefect")])
    'dependencies = ["prefect>=3.9.1", "rich>=13,<16"]'
    """
    asked = {canonicalize_name(each.name): each.specifier for each in wanted}

    def change(found: re.Match[str]) -> str:
        try:
            written = Requirement(found[1])
        except InvalidRequirement:
            return found[0]
        specifier = asked.get(canonicalize_name(written.name))
        if specifier is None or not written.specifier:
            return found[0]
        least = [each for each in written.specifier if each.operator in ("==", ">=", "~=")]
        written.specifier = specifier or SpecifierSet(f">={least[0].version}" if least else "")
        quoted = str(written).replace('"', "'")
        return f'"{quoted}"'

    return re.sub(r'"([^"\n]+)"', change, project)


def compare_locks(before: Path, after: Path) -> Iterator[str]:
    """Give a line for each pin that is another one, or in one lock alone."""
    old, new = (read_pins(each / "requirements-dev.lock") for each in (before, after))
    for name in sorted(old | new):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"


def read_pins(lock: Path) -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([^\\\n]+?) *\\?$", lock.read_text(), re.MULTILINE)
    return {
        name: "; ".join(version for other, version in pins if other == name) for name, _ in pins
    }


def choose_tests(wanted: Sequence[Requirement]) -> list[str]:
    """Name the tests of each room with a module that imports one of them; all, where none does."""
    asked = {canonicalize_name(each.name) for each in wanted}
    modules = {
        module
        for module, owners in packages_distributions().items()
        if asked & set(map(canonicalize_name, owners))
    }
    imports = re.compile(rf"^\s*(from|import) ({'|'.join(map(re.escape, modules))})\b", re.M)
    rooms = {
        str("tests" / path.parent.relative_to(REPOSITORY))
        for top in ("bentos", "flows", "tasks")
        for path in (REPOSITORY / top).rglob("*.py")
        if modules and imports.search(path.read_text())
    }
    return [*sorted(rooms), *ALWAYS] if rooms else ["tests"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
