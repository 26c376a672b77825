"""Whether a retrain that the newest look's alerts started was refused: then a person has to act.

Not responsible for alerts, nor for what the gate found (`tasks.monitoring.refused_retrain`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.ui.reading import Reader
from tasks.monitoring.looks import Look, has_new_alert
from tasks.monitoring.refused_retrain import BACK, asks_retrain, made_since, when_raised
from tasks.registry.versions import Published


def find_refused(
    reader: Reader,
    model: str,
    versions: Mapping[str, Published],
    champion: Published | None,
    looks: Sequence[str],
) -> dict[str, Any] | None:
    """Find the refused candidate by which nothing was mended, with what its gate said.

    The newest look tells whether something is to be mended at all.
    """
    newest: Look | None = next(iter(reader.looks(model, looks[-1:])), None)
    if newest is None or champion is None or newest.champion != champion.version:
        return None
    if not any(map(asks_retrain, newest.alerts)):
        return None
    told = reader.looks(model, [each for each in looks if has_new_alert(each)][-BACK:])
    since = made_since(versions.values(), when_raised(told, newest.champion, newest.alerts))
    if since is None:
        return None
    (made,) = reader.summaries([since])
    return None if made["passed"] else {"version": made["version"], "refusal": made["refusal"]}
