"""Commands are found where pages show them, and held against the command line."""

from pathlib import Path
from typing import Any

import pytest

from tools.docs.command_reference import find_commands
from tools.docs.examples import find_mistake, read_blocks, read_uses, split_commands

PAGE = """Run `perennial approve|reject MODEL VERSION --as ME`, or
`perennial retrain MODEL --tune N > log && perennial doctor` (see `perennial`).

```sh
PERENNIAL_ENV=staging perennial status   # perennial nothing
cat <<'EOF'
perennial no-command
EOF
perennial score sales --input a.csv \\
  --output b.csv && perennial monitor sales > out
```

```text
perennial neither
```
"""


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    return find_commands()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_only_blocks_of_shell_are_commands(page: Path) -> None:
    (block,) = read_blocks(page)
    assert [words[0] for words in split_commands(block)] == ["status", "score", "monitor"]


def test_choices_in_a_line_are_several_uses(page: Path) -> None:
    uses = read_uses(page)
    assert ["approve", "MODEL", "VERSION", "--as", "ME"] in uses
    assert ["reject", "MODEL", "VERSION", "--as", "ME"] in uses


def test_what_is_done_with_an_output_is_no_part_of_a_command(page: Path) -> None:
    uses = read_uses(page)
    assert ["retrain", "MODEL", "--tune", "N"] in uses
    assert ["doctor"] in uses


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("improve sales", "there is no command improve"),
        ("retrain sales --tunes 3", "retrain has no option --tunes"),
        ("retrain sales again", "retrain takes 1 words, not 2"),
        ("score sales --input a.csv", "score lacks --output"),
        ("retrain", "retrain lacks an argument"),
        ("retrain sales --tune 3 --json", None),
        ("retrain --help", None),
        ("--help", None),
    ],
)
def test_what_the_command_line_would_not_take_is_named(
    commands: dict[str, Any], line: str, mistake: str | None
) -> None:
    assert find_mistake(line.split(), commands, whole=True) == mistake
