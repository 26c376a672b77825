"""Profile of a snapshot, merged from the profiles of its parts.

A part is profiled once, whatever snapshots it comes in. Not responsible for what a profile holds.
"""

import hashlib
import logging
from pathlib import Path

import polars as pl

from tasks.analysis.profile import Profile, from_bytes, merge, profile_table, to_bytes
from tasks.extraction.snapshot import Snapshot
from tasks.registry.code_digest import code_digest
from tasks.storage.local_cache import cache_file, cache_folder, find_cached
from tasks.storage.store import digest_file, reaching

log = logging.getLogger("perennial.profiling")

_KEPT = 256


def profile_snapshot(snapshot: Snapshot, root: str, folder: Path) -> Profile:
    """Profile a snapshot; of parts that an earlier one had, their profiles are taken."""
    if len(snapshot.parts) == 1:
        return profile_table(snapshot.scan())
    kept = cache_folder(root, "profiles")
    return merge([profile_part(part, kept, folder / "profile.draft") for part in snapshot.parts])


def profile_part(part: Path, kept: Path, draft: Path) -> Profile:
    """Take the profile that is kept of a part, by its bytes, or make and keep it."""
    name = hashlib.sha256((digest_file(part) + code_digest()).encode()).hexdigest()[:32]
    found = find_cached(kept, name)
    if found is not None:
        return from_bytes(found.read_bytes())
    profile = profile_table(pl.scan_parquet(part, glob=False))
    with reaching(str(draft)):
        draft.write_bytes(to_bytes(profile))
    cache_file(draft, kept, name, _KEPT)
    return profile
