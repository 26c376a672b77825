"""The dead man's switch: an address elsewhere is called after each look, and rings when none comes.

A system that is down tells nobody that it is. So a service that is not on this machine waits for a
call (Healthchecks, Cronitor, a push monitor of Uptime Kuma), and tells people when it is late.
Responsible for that call, and for saying what is wrong with the address without showing it: its
path is its secret. Not responsible for when a look went well (`flows.monitor`).
"""

import logging
import os

from pydantic import SecretStr

from tasks.notifications.addresses import Address
from tasks.notifications.channels import NO_WEBHOOK, explain_failure, is_webhook

log = logging.getLogger("perennial.notifications")

PING = "PERENNIAL_PING_URL"
_SECONDS = 10.0


def ping(model: str) -> None:
    """Call the address of the environment, if it names one; `{model}` in it is the model's name.

    What goes wrong is logged, and fails nothing: the silence is heard where a call was waited for.
    """
    if not (address := ping_address()):
        return
    import httpx  # a look that calls nobody need not load it

    problem = address.problem
    if not problem:
        url = address.target.get_secret_value().replace("{model}", model)
        try:
            httpx.get(url, timeout=_SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = explain_failure(error)
    if problem:
        log.warning("%s %s; nobody elsewhere knows that %s is watched", PING, problem, model)


def ping_address() -> Address | None:
    """Give the address that PERENNIAL_PING_URL names, with what is wrong with it, if anything."""
    if not (url := os.environ.get(PING)):
        return None
    problem = "" if is_webhook(url) else NO_WEBHOOK
    return Address(label=PING, kind="webhook", target=SecretStr(url), problem=problem)
