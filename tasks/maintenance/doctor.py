"""Check an installation: Python, packages, root, disk, clock, ports, Prefect's server, workers.

Responsible for what `perennial doctor` checks, and for how to repair what it finds. It repairs
nothing itself.
"""

import os
import platform
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

import httpx
from packaging.requirements import Requirement
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from tasks.core.errors import PerennialError, first_line, hide_password
from tasks.maintenance.address_checks import check_addresses
from tasks.maintenance.finding import Finding
from tasks.maintenance.project_folder import check_folder
from tasks.processes.settings import (
    PASSWORD,
    is_free,
    read_ready,
    running_folder,
    settle_environment,
    tell_password,
)
from tasks.registry.signatures import find_signers
from tasks.registry.trusted_ledger import look_back, read_trusted_ledger
from tasks.registry.versions import find_unedited, list_versions
from tasks.serving.requirements import LOCK, read_lock, read_pins
from tasks.storage.store import Store, is_bucket, open_store, reaching

PYTHONS = ((3, 11), (3, 12), (3, 13))
POOL = "local"
_ROOM_GB = 1.0
_UNSIGNED = "whoever can write to the root can make any version the champion ([approval] signers)"
_SKEW = timedelta(minutes=2)
_NATIVE = {"lightgbm": "install your system's libgomp, as in: apt-get install libgomp1"}
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "WHYLOGS_NO_ANALYTICS": "1",
}


def diagnose() -> list[Finding]:
    """Run all checks; one that cannot be made is a finding that is not well."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        *(check_python, check_packages, check_libraries, check_telemetry),
        *(check_root, check_disk, partial(check_folder, Path.cwd()), check_ports, check_server),
        check_addresses,
    )
    return [finding for check in checks for finding in check()]


def check_python() -> Iterator[Finding]:
    """Check that this Python is a version that Perennial supports."""
    found = platform.python_version()
    known = tuple(map(int, found.split(".")[:2])) in PYTHONS
    yield Finding(
        name="python", well=known, detail=f"Python {found}", mend="use Python 3.11, 3.12 or 3.13"
    )


def check_packages() -> Iterator[Finding]:
    """Compare what is installed with the lock, which comes with the package."""
    pins = [
        Requirement(line)
        for lines in read_pins(read_lock(LOCK)).values()
        for line in lines.splitlines()
    ]
    odd = []
    for pin in pins:
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            found = installed_version(pin.name)
        except PackageNotFoundError:
            odd.append(f"{pin.name} is missing")
            continue
        if not pin.specifier.contains(found, prereleases=True):
            odd.append(f"{pin.name} is {found}, locked {pin.specifier}")
    detail = "; ".join(odd[:5]) if odd else f"{len(pins)} packages are as locked"
    mend = f"pip install --no-deps --require-hashes -r {shlex.quote(str(LOCK))}"
    yield Finding(name="packages", well=not odd, detail=detail, mend=mend)


def check_libraries() -> Iterator[Finding]:
    """Import the packages that need a library of the operating system."""
    for name, mend in _NATIVE.items():
        try:
            import_module(name)
        except (ImportError, OSError) as error:
            yield Finding(name=name, well=False, detail=first_line(error), mend=mend)
        else:
            yield Finding(name=name, well=True, detail="loads")


def check_telemetry() -> Iterator[Finding]:
    """Check that no library reports its use over the network."""
    import_module("tasks.analysis.profile")  # it silences whylogs
    loud = [name for name, quiet in _QUIET.items() if os.environ.get(name) != quiet]
    detail = f"{', '.join(loud)} is set otherwise" if loud else "nothing reports its use"
    mend = f"unset {' '.join(loud)}"
    yield Finding(name="telemetry", well=not loud, detail=detail, mend=mend)


def check_root() -> Iterator[Finding]:
    """Write to the root, compare its clock with this machine's, and verify all models."""
    try:
        store = open_store()
        with reaching(store.root):
            written = store.probe()
    except PerennialError as error:
        mend = "set PERENNIAL_ROOT, and for a bucket AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        yield Finding(name="root", well=False, detail=first_line(error), mend=mend)
        return
    yield Finding(name="root", well=True, detail=f"{store.root} can be written")
    ahead = abs(datetime.now(UTC) - written)
    detail = f"the root's clock and this machine's are {ahead.total_seconds():.1f} s apart"
    yield Finding(
        name="clock", well=ahead < _SKEW, detail=detail, mend="set the clock, as by an NTP service"
    )
    yield from check_models(store)


def check_models(store: Store) -> Iterator[Finding]:
    """Verify each model's ledger, and all files of its champion."""
    with reaching(store.root):
        names = store.children("models")
    for model in names:  # unlike list_models, this goes on after a ledger that is broken
        try:
            signers = find_signers(model)
            ledger = read_trusted_ledger(store, model)
            champion = find_unedited(store, model, ledger)
            if signers is None:
                look_back(store, model, ledger)
            versions = list_versions(store, model)
            future = [each for each in ledger if each.time > datetime.now(UTC) + _SKEW]
        except PerennialError as error:
            mend = "restore what is named from a copy, or roll back to a version that is whole"
            yield Finding(name=f"model {model}", well=False, detail=first_line(error), mend=mend)
            continue
        named = champion.version if champion else "none"
        detail = (
            f"{len(versions)} versions, champion {named}, {len(ledger)} decisions in a whole chain"
        )
        detail += ", signed" if signers else f", unsigned: {_UNSIGNED}"
        if future:
            detail += f"; entry {future[0].number} is from the future"
        mend = "set the clock of the machine that wrote it"
        yield Finding(name=f"model {model}", well=not future, detail=detail, mend=mend)


def check_disk() -> Iterator[Finding]:
    """Check the free space where runs work and versions are kept."""
    try:
        root = open_store().root
    except PerennialError:
        return  # why there is none was said of the root
    place = Path(tempfile.gettempdir() if is_bucket(root) else root).absolute()
    there = next(each for each in (place, *place.parents) if each.exists())
    room = shutil.disk_usage(there).free / 1e9
    yield Finding(
        name="disk",
        well=room >= _ROOM_GB,
        detail=f"{room:.1f} GB are free at {there}",
        mend=f"free some room; {_ROOM_GB:g} GB at least",
    )


def check_ports() -> Iterator[Finding]:
    """Report whether the ports in the settings are free; in use is well, too: it may be by us."""
    try:
        here = settle_environment()
    except PerennialError as error:
        mend = "set PERENNIAL_ROOT, and PERENNIAL_SERVE_PORT and its like, as they must be"
        yield Finding(name="ports", well=False, detail=first_line(error), mend=mend)
        return
    here = read_ready(here) or here  # it may have taken others
    ports = {"the service": here.serve_port, "Prefect's server": here.ui_port}
    for what, port in (ports | {"the page": here.page_port}).items():
        detail = f"{port} ({what}) is {'free' if is_free(here.host, port) else 'in use'}"
        yield Finding(name=f"port {port}", well=True, detail=detail)


def check_server() -> Iterator[Finding]:
    """Compare the version of Prefect's server with ours, and look for a worker that is alive."""
    address = hide_password(PREFECT_API_URL.value() or "")
    if not address:
        detail = "none is set: each run starts one of its own for as long as it needs it"
        yield Finding(name="server", well=True, detail=detail)
        return
    try:
        with get_client(sync_client=True) as client:
            found = re.sub(r"\+.*", "", client.api_version())
            client.read_work_pool(POOL)  # what asks for workers says less clearly that it is gone
            workers = client.read_workers_for_work_pool(POOL)
    except (ObjectNotFound, httpx.HTTPError, OSError, RuntimeError) as error:
        yield _explain_no_answer(address, error)
        return
    ours = installed_version("prefect")
    same = found == ours
    mend = f"run the server with Prefect {ours} too"
    yield Finding(name="server", well=same, detail=f"{address} runs Prefect {found}", mend=mend)
    alive = [each for each in workers if each.status == WorkerStatus.ONLINE]
    detail = f"{len(alive)} of pool {POOL!r} are online"
    mend = f"prefect worker start --pool {POOL}, or perennial up"
    yield Finding(name="worker", well=bool(alive), detail=detail, mend=mend)


def _explain_no_answer(address: str, error: Exception) -> Finding:
    """Say what an error of Prefect's client means: no pool, no password, or no server."""
    name, detail, mend = "server", f"{address}: {first_line(error)}", "perennial up"
    if isinstance(error, ObjectNotFound):
        name, detail = "worker", f"{address} has no pool {POOL!r}"
    elif not isinstance(error, httpx.HTTPStatusError):
        detail = f"{address} does not answer: {first_line(error)}"
        mend = "start it (perennial up), or unset PREFECT_API_URL"
    elif error.response.status_code == 401:
        detail = f"{address} asks for a password"
        mend = f"export {tell_password(running_folder() / PASSWORD)}"
    return Finding(name=name, well=False, detail=detail, mend=mend)
