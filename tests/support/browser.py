"""Chromium without a window: opens a page, runs scripts in it, and tells what went wrong in it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import wait_for
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


class Page:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = 0
        self.complaints: list[str] = []

    def call(self, method: str, **given: Any) -> Any:
        self._numbers += 1
        self._connection.send(json.dumps({"id": self._numbers, "method": method, "params": given}))
        while True:
            said = json.loads(self._connection.recv(timeout=20))
            if said.get("id") == self._numbers:
                return said["result"]
            if said["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(said["params"]))

    def run(self, script: str) -> Any:
        """Run a script, and give its value; None where it failed."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get(
            "value"
        )

    def wait(self, script: str) -> None:
        wait_for(lambda: self.run(f"!!({script})"), 30)


@contextmanager
def opened(address: str, folder: Path, width: int = 1400) -> Iterator[Page]:
    """Open an address in a browser of its own."""
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update"),
        *(f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"),
    )
    port = folder / "DevToolsActivePort"
    browser = subprocess.Popen(
        [str(CHROMIUM), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: port.is_file() and port.read_text(), 30)
        tabs = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
        found = [each for each in httpx.get(tabs, trust_env=False).json() if each["type"] == "page"]
        with connect(found[0]["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            for part in ("Runtime", "Log", "Page"):
                page.call(f"{part}.enable")
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            page.call("Emulation.setDeviceMetricsOverride", **size)
            page.call("Page.navigate", url=address)
            yield page
    finally:
        browser.kill()
        browser.wait()
