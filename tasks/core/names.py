"""Names as they come from people, manifests, ledgers and archives: what may become an address.

Owns what a name may be. Refuses to know what it names, and what is there.
"""

import re

from tasks.core.errors import DefinitionError, StoreError, harmless

MODEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # a bento and a folder are called so, too
MODEL_MEANS = "small letters, digits and, between them, hyphens; 63 at most"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_LONGEST_PART, _SHOWN = 255, 100


def is_plain(path: str) -> bool:
    """Tell whether a path leads nowhere but down from where it starts, on any system.

    It is not absolute, and has no `..`, no backslash, no drive and no control character.
    """
    return all(map(_is_part, path.split("/")))


def check_plain(path: str, where: str) -> None:
    """Refuse a path that could lead elsewhere than below a place."""
    if not is_plain(path):
        raise StoreError(f"{path[:_SHOWN]!r} is no name of a file below {where}")


def is_model(name: str) -> bool:
    return re.fullmatch(MODEL, name) is not None


def is_version(name: str) -> bool:
    return re.fullmatch(_VERSION, name) is not None


def check_model(name: str) -> str:
    """Give a model's name back; DefinitionError where it cannot be one."""
    if not is_model(name):
        raise DefinitionError(f"{name[:_SHOWN]!r} is no name of a model: it is {MODEL_MEANS}")
    return name


def check_version(name: str) -> str:
    """Give a version's name back; DefinitionError where it cannot be one."""
    if not is_version(name):
        raise DefinitionError(f"{name[:_SHOWN]!r} is no name of a version; see `perennial history`")
    return name


def _is_part(part: str) -> bool:
    return (
        part not in ("", ".", "..")
        and not {"\\", ":", "\t", "\n"} & {*part}
        and len(part.encode(errors="replace")) <= _LONGEST_PART
        and harmless(part) == part
    )
