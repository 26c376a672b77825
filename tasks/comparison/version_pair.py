"""Which two versions are compared where a person does not name both.

The usual question is what the newest candidate would change in what serves; where nothing waits, it
is what the champion changed. Not responsible for comparing.
"""

from tasks.core.errors import DefinitionError
from tasks.registry.overview import describe_model
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import list_champions
from tasks.registry.versions import Published, get_version, list_versions
from tasks.storage.store import Store


def choose_pair(
    store: Store, model: str, before: str | None = None, after: str | None = None
) -> tuple[Published, Published]:
    """Find both versions: before, and after.

    Without names: the champion and the newest that waits, or else the champion before and this one,
    or else the two newest. One alone is set against the champion, the older of both first.
    """
    if before is not None and after is not None:
        return get_version(store, model, before), get_version(store, model, after)
    versions, found = list_versions(store, model), describe_model(store, model)
    champion, waiting = found["champion"], found["waiting"][-1:]
    if before is not None:
        named = get_version(store, model, before)
        earlier = [name for name, each in versions.items() if each.age < named.age]
        later = [name for name, each in versions.items() if each.age > named.age]
        rivals = [champion, *waiting[::-1], *earlier[::-1], *later]
        names = [named.version, *(each for each in rivals if each not in (None, named.version))][:2]
        names.sort(key=lambda name: versions[name].age)
    elif champion is not None and waiting:
        names = [champion, *waiting]
    else:
        released = list_champions(read_trusted_ledger(store, model))
        names = (released if len(released) > 1 else [*versions])[-2:]
    if len(names) < 2:
        raise DefinitionError(f"{model}: has no other version to compare with; retrain first")
    return versions[names[0]], versions[names[1]]
