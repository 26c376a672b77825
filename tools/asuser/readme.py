"""The README's own commands, in order: what stands in its blocks of shell; and its one answer."""

import json
import re
from pathlib import Path
from typing import Any


def read_commands(readme: Path) -> list[str]:
    """List each command as a person would copy it, without the comment behind it."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [command for line in lines if (command := re.sub(r"(^|\s)#.*", "", line).strip())]


def read_answer(readme: Path) -> dict[str, Any]:
    """Read what the README says that its request is answered."""
    (line,) = re.findall(r"^# (\{.*\})$", readme.read_text("utf-8"), re.MULTILINE)
    answer: dict[str, Any] = json.loads(line)
    return answer
