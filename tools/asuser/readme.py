"""The README's own commands, in order: what stands in its blocks of shell."""

import re
from pathlib import Path

from tools.docs.examples import read_blocks


def read_commands(readme: Path) -> list[str]:
    """List each command as a person would copy it, without the comment behind it."""
    lines = [
        line for block in read_blocks(readme) for line in block.replace("\\\n", "").splitlines()
    ]
    return [command for line in lines if (command := re.sub(r"(^|\s)#.*", "", line).strip())]
