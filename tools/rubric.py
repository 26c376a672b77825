"""The ML Test Score, counted from tests that ran: rubric.toml says which test proves which point.

A script (`make rubric`): runs the proofs, reads pytest's own report of them, and writes the page.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

from pydantic import BaseModel, ConfigDict

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "ml-test-score.md"
SECTIONS = ("data", "model", "infrastructure", "monitoring")
ENOUGH = 6
_TITLES = {"data": "Features and data", "model": "Model development"}
_HEAD = """# ML Test Score

Written by `make rubric`, which runs every test named here; which test proves which point is said
in [tools/rubric.toml](../tools/rubric.toml). The rubric is that of Breck, Cai, Nielsen, Salib and
Sculley, *The ML Test Score: A Rubric for ML Production Readiness and Technical Debt Reduction*
(IEEE Big Data 2017): 28 tests in four sections, a point for what is tested automatically, half of
one for what is done in part or by hand. The score is that of the lowest section.

"""


class Point(BaseModel):
    """One of the 28 tests: how it is met, what it lacks, and the tests that prove it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: str
    how: str
    lacks: str = ""
    credit: float = 1
    proofs: tuple[str, ...]


Rubric = dict[str, list[Point]]
Cases = dict[str, list[bool]]  # by proof: whether each of its cases passed


def read_rubric() -> Rubric:
    written = tomllib.loads((REPOSITORY / "tools" / "rubric.toml").read_text())
    return {section: [Point(**each) for each in written[section]] for section in SECTIONS}


def name_proofs(rubric: Rubric) -> list[str]:
    """Name each proof once: a test, or a file of tests."""
    return sorted({proof for points in rubric.values() for each in points for proof in each.proofs})


def is_there(proof: str) -> bool:
    """Tell whether a test of that name is in that file, before pytest is asked for it."""
    file, _, name = proof.partition("::")
    path = REPOSITORY / file
    return path.is_file() and bool(re.search(rf"^def {name or 'test_'}", path.read_text(), re.M))


def run_proofs(proofs: list[str]) -> Cases:
    """Run the proofs, and read how each of their cases ended."""
    there = [proof for proof in proofs if is_there(proof)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        in_two = ["--numprocesses", "2", "--dist", "loadfile"]
        command = [sys.executable, "-m", "pytest", *in_two, f"--junitxml={report}", *there]
        subprocess.run(command, cwd=REPOSITORY)
        return read_cases(report.read_text(), proofs)


def read_cases(report: str, proofs: list[str]) -> Cases:
    """Read pytest's report. A case that was skipped proves nothing, and spoils nothing."""
    cases: Cases = {proof: [] for proof in proofs}
    for case in ET.fromstring(report).iter("testcase"):
        file = case.get("classname", "").replace(".", "/") + ".py"
        ended = {each.tag for each in case}
        if "skipped" in ended:
            continue
        for proof in (file, f"{file}::{case.get('name', '').partition('[')[0]}"):
            if proof in cases:
                cases[proof].append(not {"failure", "error"} & ended)
    return cases


def earn(point: Point, cases: Cases) -> float:
    """Give a point's credit if each of its proofs ran and every case of them passed."""
    return point.credit * all(cases[proof] and all(cases[proof]) for proof in point.proofs)


def score(rubric: Rubric, cases: Cases) -> dict[str, float]:
    return {section: sum(earn(each, cases) for each in rubric[section]) for section in rubric}


def draw_page(rubric: Rubric, cases: Cases) -> str:
    scores = score(rubric, cases)
    table = "".join(f"| {title(name)} | {got:g} of 7 |\n" for name, got in scores.items())
    head = f"**Score: {min(scores.values()):g} of 7.**\n\n| section | points |\n|---|---|\n{table}"
    return _HEAD + head + "".join(_draw_section(name, rubric[name], cases) for name in rubric)


def title(section: str) -> str:
    return _TITLES.get(section, section.capitalize())


def _draw_section(name: str, points: list[Point], cases: Cases) -> str:
    drawn = "".join(_draw_point(place, each, cases) for place, each in enumerate(points, 1))
    return f"\n## {title(name)}\n{drawn}"


def _draw_point(place: int, point: Point, cases: Cases) -> str:
    lacks = f" *Lacking:* {point.lacks}" if point.lacks else ""
    proofs = "".join(f"- `{proof}`: {_tell(cases[proof])}\n" for proof in point.proofs)
    heading = f"\n### {place}. {point.test}: {earn(point, cases):g}\n\n"
    return f"{heading}{point.how}{lacks}\n\n{proofs}"


def _tell(cases: list[bool]) -> str:
    if not cases:
        return "**did not run**"
    return "green" if all(cases) else f"**failed** in {cases.count(False)} of {len(cases)} cases"


def main() -> None:
    rubric = read_rubric()
    cases = run_proofs(name_proofs(rubric))
    PAGE.write_text(draw_page(rubric, cases))
    scores = score(rubric, cases)
    print(" · ".join(f"{title(name)} {got:g}" for name, got in scores.items()))
    sys.exit(0 if min(scores.values()) >= ENOUGH else 1)


if __name__ == "__main__":
    main()
