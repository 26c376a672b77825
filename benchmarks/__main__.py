"""Run every benchmark, and write `benchmarks/README.md` from what they found."""

from benchmarks import profile, retrain
from benchmarks.measure import ROOT, describe_machine

_ABOUT = """# Benchmarks

Written by `make bench`: every figure below comes from one run of it, each side in a fresh process
on the same machine ({cores} cores, Python {python}, {system}). What each script does, and what it
leaves out, stands at the top of its file; records are in `results/`.

"""


def main() -> None:
    texts = [each.main() for each in (profile, retrain)]
    tables = "".join(f"```\n{text}\n```\n\n" for text in texts)
    about = _ABOUT.format(**describe_machine())
    (ROOT / "benchmarks/README.md").write_text(about + tables.rstrip() + "\n")


main()
