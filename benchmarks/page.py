"""The page of numbers: `docs/benchmarks.md`, written from the records and from nothing else."""

from importlib import import_module

from benchmarks.growth import draw, write_section
from benchmarks.measure import ROOT, read_record

GROWING = ("retrain", "profile", "drift", "score", "batches", "monitor")
OTHERS = ("serve", "serve_workers", "alarms", "backtest", "operate", "tables", "quality", "cluster")
PAGE = ROOT / "docs/benchmarks.md"
PLOTS = ROOT / "docs/benchmarks"
_ABOUT = """# Benchmarks

Written by `make bench` (or `python -m benchmarks NAME [SIZE...]`) from the records in
`benchmarks/results/`. What stands in one row was measured in one run on one machine, each in a
process of its own. The exponent is the power of rows with which seconds grow, from a line through
their logarithms: 1 is in proportion. What each script does, and what it leaves out, stands at the
top of its file in [benchmarks/](../benchmarks).
"""


def write_page() -> None:
    """Write the page and its plots anew."""
    PLOTS.mkdir(exist_ok=True)
    for name in GROWING:
        record = read_record(name)
        if "sizes" in record:
            study = import_module(f"benchmarks.{name}").STUDY
            (PLOTS / f"{name}.svg").write_text(draw(study, record) + "\n")
    PAGE.write_text(compose_page())


def compose_page() -> str:
    """Put everything that is recorded onto one page."""
    sections = [_write_growth(name) for name in GROWING] + [_write_tables(name) for name in OTHERS]
    return "\n".join([_ABOUT, *(f"{each}\n" for each in sections if each)])


def _write_growth(name: str) -> str:
    record = read_record(name)
    if "sizes" not in record:
        return ""
    study = import_module(f"benchmarks.{name}").STUDY
    return write_section(study, record, f"{PLOTS.name}/{name}.svg")


def _write_tables(name: str) -> str:
    record = read_record(name)
    if not record:
        return ""
    write_table = import_module(f"benchmarks.{name}").write_table
    text = "\n\n".join(write_table(title, found) for title, found in record["tables"].items())
    machine = record.get("machine", record)
    on = f"Measured on {machine['cores']} cores, {machine['system']}, Python {machine['python']}."
    return f"## {name.capitalize().replace('_', ' ')}\n\n```\n{text}\n```\n\n{on}"
