"""The documentation as a site: `assemble` writes its pages, `check` looks at what was built.

A script (`make docs`), in two parts with zensical's strict build in between. Pages are `docs/` as
it lies there, and the reference, which is read off the code.
"""

import shutil
import sys
from pathlib import Path

from tools.docs.command_reference import describe_commands
from tools.docs.definition_reference import describe_definition
from tools.docs.pages import copy_pages
from tools.docs.python_reference import describe_functions
from tools.docs.site_check import find_faults

REPOSITORY = Path(__file__).parents[2]
PAGES, SITE = REPOSITORY / ".site", REPOSITORY / "site"  # as zensical.toml names them
REFERENCE = {
    "keys.md": describe_definition,
    "commands.md": describe_commands,
    "python.md": describe_functions,
}


def main() -> None:
    match sys.argv[1:]:
        case ["assemble"]:
            assemble(PAGES)
        case ["check"]:
            faults = find_faults(SITE)
            sys.exit("\n".join(faults) if faults else 0)
        case _:
            sys.exit("usage: python -m tools.docs assemble|check")


def assemble(pages: Path) -> None:
    """Write all pages anew; those of the reference only say in `docs/` where they come from."""
    shutil.rmtree(pages, ignore_errors=True)
    copy_pages(REPOSITORY, pages)
    for name, describe in REFERENCE.items():
        (pages / "reference" / name).write_text(describe(), encoding="utf-8")


if __name__ == "__main__":
    main()
