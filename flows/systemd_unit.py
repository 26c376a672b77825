"""The system as a service of the machine: a systemd unit, written for this project's paths.

A user's unit lies in the user's own folder; root's is for the whole machine and runs as the owner
of the project. Not responsible for enabling it: the command for that is told.
"""

import os
import pwd
import sys
from pathlib import Path
from string import Template

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, StartFailed, first_line, harmless
from tasks.init.names import slug

TEMPLATE = Path(__file__).with_name("templates") / "perennial.service"
# Settings of the shell that asks are the unit's too; those that are secret are not written.
_SETTINGS = ("ENV", "ROOT", "HOST", "UI_PORT", "SERVE_PORT", "HOSTS")


class Unit(Frozen):
    """A unit that was written, the command that enables it, and the file for secrets it reads."""

    path: Path
    enable: str
    secrets: Path


def write_unit(project: Path, folder: Path | None = None) -> Unit:
    """Write a project's unit; one of the same name for another project is never replaced."""
    is_root = os.geteuid() == 0
    place = folder or (Path("/etc/systemd/system") if is_root else _user_folder())
    name = "-".join(["perennial", *filter(None, [slug(project.name, "-"), _environment()])])
    path, working = place / f"{name}.service", f"WorkingDirectory={_plain(str(project))}"
    try:
        if path.exists() and working not in path.read_text("utf-8").splitlines():
            raise StartFailed(f"{path}: is another project's; rename this folder, or remove that")
        path.parent.mkdir(parents=True, exist_ok=True)
        secrets = Path("/etc/perennial.env") if is_root else place.parents[1] / "perennial.env"
        path.write_text(_render(project, is_root, secrets), "utf-8")
    except OSError as error:
        raise StartFailed(f"{path}: cannot be written: {first_line(error)}") from error
    systemctl = "systemctl" if is_root else "systemctl --user"
    enable = f"{systemctl} daemon-reload && {systemctl} enable --now {name}"
    if not is_root:
        enable += " && loginctl enable-linger"  # without it, it ends with the user's last session
    return Unit(path=path, enable=enable, secrets=secrets)


def _render(project: Path, is_root: bool, secrets: Path) -> str:
    given = {name: os.environ.get(f"PERENNIAL_{name}") for name in _SETTINGS}
    settings = [
        f"Environment={_quoted(f'PERENNIAL_{name}={value}')}"
        for name, value in given.items()
        if value
    ]
    owner = pwd.getpwuid(project.stat().st_uid).pw_name
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        project=_plain(project.name),
        user=f"User={owner}" if is_root else "",
        folder=_plain(str(project)),
        settings="\n".join(settings),
        secrets=_plain(str(secrets)),
        python=_quoted(sys.executable).replace("$", "$$"),  # no variable, in a command
        target="multi-user.target" if is_root else "default.target",
    )
    return "\n".join(line for line in text.splitlines() if line) + "\n"


def _user_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "systemd" / "user"


def _environment() -> str:
    return slug(os.environ.get("PERENNIAL_ENV", ""), "-")


def _plain(text: str) -> str:
    """Write a text that goes on to the end of its line: only `%` means something there."""
    if harmless(text) != text or "\n" in text:
        raise DefinitionError(f"{text!r}: cannot stand in a unit; give the folder a plain name")
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Write a word for systemd: in quotes, without its own specifiers and escapes."""
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
