"""Keys of people who sign decisions, made for a test by ssh-keygen, and who they are."""

from pathlib import Path

from tasks.registry.signatures import make_key


class Signers:
    """A folder with a file of allowed signers, to which people are added, each with a key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / "approvers"
        self.file.touch()

    def add(self, name: str) -> Path:
        """Make a key and allow it to sign in a name; give the file of its private half."""
        key = self.make_key(name)
        kind, public = key.with_suffix(".pub").read_text().split()[:2]
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{name} {kind} {public}\n")
        return key

    def make_key(self, name: str) -> Path:
        return make_key(self.folder / name)
