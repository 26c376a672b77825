"""The README's own commands, in order: what stands in its blocks of shell."""

import re
from pathlib import Path


def read_commands(readme: Path) -> list[str]:
    """List each command as a person would copy it, without the comment behind it."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [command for line in lines if (command := re.sub(r"(^|\s)#.*", "", line).strip())]
