"""Where people are told: blocks that the definition names, and what the environment adds.

Responsible for reading `[notify] to`, PERENNIAL_NOTIFY and PERENNIAL_ALERTS_URL, and for a label of
each address that may be shown: its place and kind, for every other part can be a secret. Not
responsible for whether an address can be used (`delivery`).
"""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from tasks.core.definition import Frozen
from tasks.core.definition_file import find_definition, list_definitions, load_definition
from tasks.core.errors import DefinitionError, PerennialError, first_line
from tasks.core.watch_sections import MEANT_BY_BLOCK, Notify, is_block

log = logging.getLogger("perennial.notifications")

ADDRESSES, WEBHOOK = "PERENNIAL_NOTIFY", "PERENNIAL_ALERTS_URL"


class Address(Frozen):
    """One place where people are told; `problem` says why what is written there is none."""

    label: str
    kind: Literal["block", "url", "webhook"]
    target: SecretStr
    problem: str = ""


def find_addresses(definition: str) -> tuple[Address, ...]:
    """Find all addresses of a model, given by name or definition file, each once."""
    return _take_once([*map(_block, find_section(definition).to), *given_addresses()])


def all_addresses() -> tuple[Address, ...]:
    """Find the addresses of all models of this project, and the environment's."""
    blocks = [block for notify in list_sections().values() for block in notify.to]
    return _take_once([*map(_block, blocks), *given_addresses()])


def list_sections() -> dict[str, Notify]:
    """List what each model's definition of this project says of notifications."""
    return {model: _read_section(path) for model, path in list_definitions().items()}


def find_section(definition: str) -> Notify:
    """Read what a definition says of notifications; the defaults on a machine that has none."""
    try:
        path = find_definition(definition)
    except DefinitionError:
        return Notify()
    return _read_section(path)


def _read_section(path: Path) -> Notify:
    try:
        return load_definition(path).notify
    except PerennialError as error:  # told by whatever needs the definition, too
        log.warning("nobody whom it names is told: %s", first_line(error))
        return Notify()


def given_addresses() -> Iterator[Address]:
    """Give the addresses in the environment: blocks and URLs with spaces between, and a webhook."""
    for place, word in enumerate(os.environ.get(ADDRESSES, "").split(), start=1):
        scheme = word.partition("://")[0]
        if is_block(word):
            yield _block(word)
        elif scheme != word and scheme.isalnum():
            label = f"{ADDRESSES} {place} ({scheme}://)"
            yield Address(label=label, kind="url", target=SecretStr(word))
        else:
            said = f"is neither {MEANT_BY_BLOCK}, nor an address as Apprise writes it"
            yield Address(
                label=f"{ADDRESSES} {place}", kind="url", target=SecretStr(word), problem=said
            )
    if url := os.environ.get(WEBHOOK):
        yield Address(label=WEBHOOK, kind="webhook", target=SecretStr(url))


def _block(name: str) -> Address:
    return Address(label=name, kind="block", target=SecretStr(name))


def _take_once(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple({each.target.get_secret_value(): each for each in addresses}.values())
