"""The commands that pages show: what stands in their blocks of shell, and between backticks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^[ ]*```(\w+)[^\n]*\n(.*?)^[ ]*```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(perennial [^`]+)`(?!`)")
# What a person reads in place of a word: `approve | reject`, `approve|reject`, `…`.
_CHOICE = re.compile(r"(?<=\w)\s*\|\s*(?=\w)")


def read_blocks(page: Path, language: str = "sh") -> list[str]:
    """List a page's blocks of one language, in order."""
    return [body for kind, body in _BLOCK.findall(page.read_text("utf-8")) if kind == language]


def read_uses(page: Path) -> list[list[str]]:
    """List every use of `perennial` on a page, as words: of its blocks, and of its own lines."""
    text = page.read_text("utf-8")
    blocks = [line for block in read_blocks(page) for line in split_commands(block)]
    without = _BLOCK.sub("", text)
    return [*blocks, *(use for line in _INLINE.findall(without) for use in _choices(line))]


def split_commands(block: str) -> list[list[str]]:
    """Give the words of each `perennial` command of a block, without what is done around it."""
    text = re.sub(r"<<-?\s*'?(\w+)'?\n.*?^\1$", "", block, flags=re.DOTALL | re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines for words in _commands_of(line)]


def _commands_of(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;<>()"):
            named = next((at for at, each in enumerate(words) if "=" not in each), len(words))
            if words[named : named + 1] == ["perennial"]:
                yield words[named + 1 :]
            words = []
        else:
            words.append(word)


def _choices(line: str) -> Iterator[list[str]]:
    """Write `perennial approve | reject MODEL` out, once for each."""
    first, *rest = _CHOICE.sub("|", " ".join(line.split())).removeprefix("perennial ").split(" ")
    for name in first.split("|"):
        yield from _commands_of(" ".join(["perennial", name, *rest]).replace("'", ""))


def find_mistake(words: list[str], commands: dict[str, Any], whole: bool = False) -> str | None:
    """Name what the command line would not take; what is left out is one, where it is `whole`."""
    name, *rest = words
    if name.startswith("-"):
        return None
    if name not in commands:
        return f"there is no command {name}"
    options = {
        opt: each for each in commands[name].params for opt in (*each.opts, *each.secondary_opts)
    }
    given, places, rest = set(), 0, list(rest)
    while rest:
        word = rest.pop(0)
        option, _, value = word.partition("=")
        if not word.startswith("--"):
            places += word != "…"
        elif option == "--help":
            return None
        elif option not in options:
            return f"{name} has no option {option}"
        else:
            given.add(options[option].name)
            if not options[option].is_flag and not value and rest:
                rest.pop(0)
    arguments = [each for each in commands[name].params if each.param_type_name == "argument"]
    if places > len(arguments) and all(each.nargs == 1 for each in arguments):
        return f"{name} takes {len(arguments)} words, not {places}"
    needed = [each for each in commands[name].params if each.required and each not in arguments]
    missing = [each.opts[0] for each in needed if each.name not in given]
    if whole and (missing or places < sum(each.required for each in arguments)):
        return f"{name} lacks {', '.join(missing) or 'an argument'}"
    return None
