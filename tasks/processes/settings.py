"""Settings of an environment: where one system keeps its state, and where its parts answer.

Responsible for PERENNIAL_ENV, the ports, the password that Prefect's server asks for, and the
variables that every process of a system starts with. Not responsible for starting any of them
(`supervisor`).
"""

import os
import secrets
import shlex
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from pydantic import ValidationError

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError
from tasks.processes.bento_server import HOST
from tasks.storage.store import environment_folder, open_store

_UI_PORT, _SERVE_PORT, PAGE_PORT = 4200, 3000, 4300
_BESIDE = PAGE_PORT - _UI_PORT  # where Prefect's server has another port, our page goes with it
_PORTS_TRIED = 100
# What the server asks for, and what its clients give: the same words, `name:password`.
PASSWORD = "password"
PASSWORDS = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")


class Environment(Frozen):
    """`folder` is local, whatever the root is: logs, locks, and Prefect's own home.

    `ui_port` is that of Prefect's server, `page_port` of the page over all models. `models` are
    those that a running system serves, each on the next port.
    """

    name: str
    folder: Path
    root: str
    home: Path
    host: str
    ui_port: int
    serve_port: int
    page_port: int = PAGE_PORT
    models: tuple[str, ...] = ()

    def port_of(self, model: str) -> int:
        """Give the port of a model's service."""
        return self.serve_port + self.models.index(model)

    @property
    def ui(self) -> str:
        return self.address_of(self.ui_port)

    def address_of(self, port: int) -> str:
        """Give the address by which a port is reached from this machine."""
        return f"http://{HOST if self.host == '0.0.0.0' else self.host}:{port}"

    @property
    def api(self) -> str:
        return f"{self.ui}/api"

    @property
    def keeper(self) -> Path:
        return self.folder / "keeper"

    @property
    def ready(self) -> Path:
        return self.folder / "ready.json"

    @property
    def password(self) -> Path:
        """The file of the password that was made here, which only its owner may read."""
        return self.folder / PASSWORD


def running_folder() -> Path:
    """Give the folder where a system of this environment keeps its state while it runs."""
    return Path(environment_folder()).absolute() / "run"


def tell_password(kept: Path) -> str:
    """Write how a shell is given the password that is kept in a file."""
    return f'{PASSWORDS[1]}="$(cat {shlex.quote(str(kept))})"'


def read_ready(asked: Environment) -> Environment | None:
    """Read what the running system said of itself when it was ready."""
    try:
        return Environment.model_validate_json(asked.ready.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def settle_environment() -> Environment:
    """Read the environment from the variables; what is not given suits one machine."""
    folder = Path(environment_folder()).absolute()
    name = folder.name.removeprefix(".perennial").removeprefix("-")
    host = os.environ.get("PERENNIAL_HOST", HOST)
    ui_port = _settle_port("PERENNIAL_UI_PORT", _UI_PORT, host, name)
    beside = min(ui_port + _BESIDE, 65535) if "PERENNIAL_UI_PORT" in os.environ else PAGE_PORT
    return Environment(
        name=name,
        folder=running_folder(),
        root=open_store().root,
        home=Path(os.environ.get("PREFECT_HOME") or folder / "prefect").absolute(),
        host=host,
        ui_port=ui_port,
        serve_port=_settle_port("PERENNIAL_SERVE_PORT", _SERVE_PORT, host, name),
        page_port=_settle_port("PERENNIAL_PAGE_PORT", beside, host, name),
    )


def settle_variables(here: Environment) -> dict[str, str]:
    """Give the variables that every process of a system starts with; what is set already stays."""
    ours = {
        "PERENNIAL_ROOT": here.root,
        "PERENNIAL_HOST": here.host,
        "PERENNIAL_UI_PORT": str(here.ui_port),
        "PERENNIAL_SERVE_PORT": str(here.serve_port),
        "PERENNIAL_PAGE_PORT": str(here.page_port),
        "PREFECT_HOME": str(here.home),
    }
    usual = {
        "PREFECT_API_URL": here.api,
        "PREFECT_UI_API_URL": "/api",  # wherever the page itself came from
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": here.ui,  # and no other page
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # In memory, a run that is killed together with the server would hold its place for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
    }
    return usual | dict(os.environ) | ours | _settle_passwords(here)


def _settle_passwords(here: Environment) -> dict[str, str]:
    """Take the password that is set, or the one that was made for this environment, or make it."""
    asked = os.environ.get(PASSWORDS[0])
    if not asked and not is_loopback(here.host):
        raise DefinitionError(
            f"PERENNIAL_HOST={here.host} is reached by others: set {PASSWORDS[0]}=name:password "
            f"(and {PASSWORDS[1]} for the worker and your shell)"
        )
    asked = asked or make_password(here)
    return {PASSWORDS[0]: asked, PASSWORDS[1]: os.environ.get(PASSWORDS[1]) or asked}


def make_password(here: Environment) -> str:
    """Read this environment's password; whoever asks first makes it."""
    here.folder.mkdir(parents=True, exist_ok=True)
    made = here.password.with_name(f"password.{secrets.token_hex(4)}")
    with suppress(FileExistsError):
        if not here.password.exists():
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"admin:{secrets.token_urlsafe(24)}")
            try:
                os.link(made, here.password)  # whole at once, and only the first
            finally:
                made.unlink()
    return here.password.read_text()


def is_loopback(host: str) -> bool:
    """Tell an address that only this machine reaches.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_free(host: str, port: int) -> bool:
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((host, port))
        except OSError:
            return False
    return True


def _settle_port(variable: str, usual: int, host: str, name: str) -> int:
    """Take the port asked for, or the usual one; a named environment takes one beside it."""
    given = os.environ.get(variable)
    if given is not None:
        if not given.isdecimal() or not 0 < int(given) < 65536:
            raise DefinitionError(f"{variable}={given}: must be a port, 1 to 65535")
        return int(given)
    if not name:
        return usual
    beside = range(usual + 1, usual + _PORTS_TRIED)
    return next((port for port in beside if is_free(host, port)), usual)
