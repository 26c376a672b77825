"""A version's status by the ledger: open, rejected, released; and the champions so far.

Responsible for what the entries mean together. Not responsible for writing them (`decisions`).
"""

from collections.abc import Iterable

from tasks.core.errors import DecisionRefused
from tasks.registry.ledger import Entry
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.storage.store import Store


def refuse_closed(ledger: list[Entry], model: str, version: str) -> None:
    """Raise DecisionRefused for a version that was released or rejected, or that is outdated."""
    release = find_release(ledger, version)
    if release is not None:
        raise DecisionRefused(
            f"{model}: {version} was released already (ledger entry {release.number}, approved by "
            f"{release.approver}); `perennial rollback {model} --to {version}` leads back to it"
        )
    for entry in ledger:
        if (entry.action, entry.version) == ("reject", version):
            said = f": {entry.reason}" if entry.reason else ""
            raise DecisionRefused(f"{model}: {version} was rejected by {entry.approver}{said}")
    champions = list_champions(ledger)
    if champions and is_older(version, champions[-1]):
        raise DecisionRefused(f"{model}: {version} is older than the champion {champions[-1]}")


def refuse_rollback(ledger: list[Entry], model: str, version: str) -> Entry:
    """Give the release to roll back to; DecisionRefused if there is none, or it is in place."""
    release = find_release(ledger, version)
    if release is None:
        raise DecisionRefused(f"{model}: {version} was never released; approve it instead")
    if list_champions(ledger)[-1] == version:
        raise DecisionRefused(f"{model}: {version} is the champion already")
    return release


def is_open(ledger: list[Entry], model: str, version: str) -> bool:
    """Tell whether a version can still be approved or rejected."""
    try:
        refuse_closed(ledger, model, version)
    except DecisionRefused:
        return False
    return True


def find_release(ledger: Iterable[Entry], version: str) -> Entry | None:
    found = (each for each in ledger if (each.action, each.version) == ("release", version))
    return next(found, None)


def list_champions(ledger: Iterable[Entry]) -> list[str]:
    """List the champion (last) and before it those that rolling back leads to, oldest first."""
    champions: list[str] = []
    for entry in ledger:
        if entry.action == "rollback" and entry.version in champions:
            del champions[champions.index(entry.version) + 1 :]
        elif entry.action in ("release", "rollback"):
            champions.append(entry.version)
    return champions


def previous_champion(store: Store, model: str) -> str:
    """Name the champion before this one; DecisionRefused where there is none."""
    champions = list_champions(read_trusted_ledger(store, model))
    if len(champions) < 2:
        raise DecisionRefused(f"{model}: there is no earlier champion to roll back to")
    return champions[-2]


def is_older(version: str, champion: str) -> bool:
    """Compare two versions' as-of times; versions of data without times are never older.

    >>> is_older("20140101T000000Z-abc", "20140201T000000Z-abc"), is_older("0123", "4567")
    (True, False)
    """
    ours, ours_timed, _ = version.partition("-")
    theirs, theirs_timed, _ = champion.partition("-")
    return bool(ours_timed and theirs_timed) and ours < theirs
