"""Snapshots in the registry: their paths, and reading one back as it was published.

Responsible for checking each part of a snapshot against its manifest. Not responsible for making
snapshots (`extraction`).
"""

from pathlib import Path

from tasks.core.errors import StoreError
from tasks.registry.versions import Published
from tasks.storage.store import Store, digest_file, reaching


def snapshot_path(digest: str) -> str:
    return f"snapshots/{digest}"


def fetch_snapshot(store: Store, snapshot: Published, target: Path) -> list[Path]:
    """Give a snapshot's parts as local files: copies in `target` from a bucket.

    Raises StoreError for a part that is missing or not as it was published.
    """
    with reaching(store.root):
        folder = store.fetch(snapshot.path_of("").rstrip("/"), target)
    for name, expected in snapshot.manifest.files.items():
        if not (folder / name).is_file() or digest_file(folder / name) != expected:
            where = f"{store.root}/{snapshot.path}"
            raise StoreError(
                f"{where}/{name}: was changed after it was published; remove {where} "
                "to have it extracted again"
            )
    return [folder / name for name in snapshot.manifest.files]
