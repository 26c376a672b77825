"""A real Dask cluster on loopback: a scheduler and two workers of one thread."""

import os
import socket
import subprocess
import sys


class Workers:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, **environment: str) -> None:
        self.environment = os.environ | environment
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        where = ["--host", "127.0.0.1", "--no-dashboard"]
        self.processes = [self.start("dask_scheduler", *where, "--port", str(port))]
        for _ in range(2):
            self.add_worker()

    def start(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{name}", *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self.environment, **quiet)

    def add_worker(self) -> None:
        plain = ["--host", "127.0.0.1", "--no-dashboard", "--no-nanny", "--nthreads", "1"]
        self.processes.append(self.start("dask_worker", self.address, *plain))

    def stop(self) -> None:
        """End what still runs; by a kill only where a worker waits for another that is lost."""
        for each in reversed(self.processes):
            each.terminate()
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
