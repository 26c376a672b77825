"""What servers counted, read back whole."""

from datetime import UTC, datetime

from servers import MODEL

from tasks.serving.request_counts import Counters, read_counters
from tasks.storage.store import Store

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def read_counts(store: Store) -> list[Counters]:
    """Read the hours of all servers in their order; none may be damaged."""
    counted, damaged = read_counters(store, MODEL, *EVER)
    assert not damaged
    return sorted(counted, key=lambda each: each.hour)
