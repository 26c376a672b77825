"""The page as a web application: its addresses, and what each answers as HTML and as JSON.

Each page is made of one dictionary, which is its JSON, too: the same address with `.json`. Names
out of addresses are checked before they become paths. Not responsible for who may ask (`access`),
nor for what a page says.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from flows.ui import model_page, models_page
from flows.ui.access import Guard, Tokens
from flows.ui.comparison_page import Comparisons
from flows.ui.decision_runs import DecisionRuns, read_form, tell_command
from flows.ui.reading import Reader
from flows.ui.rendering import STYLE, STYLE_NAME, prepare, render
from flows.ui.retrain_runs import start_retrain
from tasks.core.errors import DecisionRefused, DefinitionError, PerennialError, first_line
from tasks.storage.store import Store

_VERSION = "/models/{model}/versions/{version}"
_LASTING = {"cache-control": "private, max-age=31536000, immutable"}
_MOST = 20_000  # bytes of a form
# What was made elsewhere shows as it is, and does nothing: it has no script, and no way out.
_REPORT = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        "sandbox allow-top-navigation-by-user-activation"
    )
}
Describe = Callable[[Reader, Request], dict[str, Any]]


def make_app(store: Store, password: str, host: str = "127.0.0.1") -> ASGIApp:
    """Make the application over one root."""
    site = Site(store)
    routes = [
        Route(f"/{STYLE_NAME}", lambda _: Response(STYLE, 200, _LASTING, "text/css")),
        *site.page("/", "models", _describe_models),
        *site.page("/models", "models", _describe_models),
        *site.page("/inbox", "inbox", lambda reader, _: models_page.describe_inbox(reader)),
        *site.page("/decisions/{run}", "decision", site.describe_run),
        Route("/models/{model}/decide", site.receive, methods=["POST"]),
        Route("/models/{model}/retrain", site.receive_retrain, methods=["POST"]),
        Route(f"{_VERSION}/report", site.answer_report),
        Route("/models/{model}/looks/{look}/report", site.answer_look_report),
        *site.page(f"{_VERSION}/diff/{{after}}", "comparison", site.compare),
        Route(f"{_VERSION}/diff", site.lead_to_comparison),
        *site.page(_VERSION, "version", _describe_version),
        *site.page("/models/{model}/looks/{look}", "look", _describe_look),
        *site.page("/models/{model}", "model", _describe_model),
    ]
    handlers: Any = {PerennialError: refuse, HTTPException: refuse, Exception: refuse}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), password, host)


class Site:
    """What answers requests: one root, its reader, the tokens of forms and what was decided."""

    def __init__(self, store: Store) -> None:
        self._reader, self._tokens, self._runs = Reader(store), Tokens(), DecisionRuns(store)
        self._comparisons = Comparisons()
        models_page.describe_models(self._reader, _now())  # what all requests need is read now
        prepare()

    def page(self, address: str, template: str, describe: Describe) -> list[Route]:
        """Give a page's two addresses: as HTML and as JSON."""

        def answer(request: Request) -> Response:
            found = describe(self._reader, request)
            if request.url.path.endswith(".json"):
                return JSONResponse(found)
            return show(template, found, self._tokens)

        return [Route(each, answer) for each in (f"{address}.json", address)]

    async def receive(self, request: Request) -> Response:
        """Take a form, and carry out its decision in the background."""
        return await run_in_threadpool(self._decide, request, await read_form_of(request))

    async def receive_retrain(self, request: Request) -> Response:
        """Take the form that starts a retrain."""
        return await run_in_threadpool(self._retrain, request, await read_form_of(request))

    def _retrain(self, request: Request, form: dict[str, str]) -> Response:
        model = request.path_params["model"]
        known = form.get("known", "")
        self._check(form, model, "retrain", known)
        start_retrain(model, known)
        return RedirectResponse(f"/models/{model}#retrains", 303)

    def _check(self, form: dict[str, str], *said: str) -> None:
        if not self._tokens.fit(form.get("token", ""), *said):
            raise HTTPException(403, "this form was not made here, or before a restart; look again")

    def _decide(self, request: Request, form: dict[str, str]) -> Response:
        model = request.path_params["model"]
        self._check(form, model, *(form.get(name, "") for name in ("action", "version", "known")))
        run = self._runs.start(read_form(self._reader.store, model, form))
        return RedirectResponse(f"/decisions/{run.name}", 303)

    def describe_run(self, reader: Reader, request: Request) -> dict[str, Any]:
        """Tell how far a decision is that was made here."""
        if (run := self._runs.find(request.path_params["run"])) is None:
            raise model_page.NotThere("this decision is not known here; the ledger tells of it")
        return {"address": f"/decisions/{run.name}", **run.describe()}

    def compare(self, reader: Reader, request: Request) -> dict[str, Any]:
        """Set two versions against each other."""
        asked = request.path_params
        return self._comparisons.describe(reader, asked["model"], asked["version"], asked["after"])

    def lead_to_comparison(self, request: Request) -> Response:
        """Lead from the choice on a version's page to what changed since the version chosen."""
        asked, before = request.path_params, request.query_params.get("before", "")
        for version in (before, asked["version"]):
            model_page.get_published(self._reader, asked["model"], version)
        place = f"/models/{asked['model']}/versions/{before}/diff/{asked['version']}"
        return RedirectResponse(place, 303)

    def answer_report(self, request: Request) -> Response:
        """Give a version's report."""
        asked = request.path_params
        report = model_page.read_report(self._reader, asked["model"], asked["version"])
        return HTMLResponse(report, headers=_REPORT)

    def answer_look_report(self, request: Request) -> Response:
        """Give a look's page; that of a later look only where it is asked for."""
        asked = request.path_params
        report, own = model_page.read_look_page(self._reader, asked["model"], asked["look"])
        if not own and "later" not in request.query_params:
            said = "this look's page was replaced by that of a later look about the same day"
            raise HTTPException(404, said)
        return HTMLResponse(report, headers=_REPORT)


def show(template: str, found: dict[str, Any], tokens: Tokens) -> Response:
    """Render a page; one that waits for something is asked for again by the browser."""
    values = {"page": found, "now": _now(), "token": tokens.make, "command": tell_command}
    waits = {"refresh": "2"} if found.get("state") == "running" else {}
    return HTMLResponse(render(template, **values), headers=waits)


async def read_form_of(request: Request) -> dict[str, str]:
    """Read a form, up to a size that no person types."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MOST:
            raise HTTPException(413, f"a form has at most {_MOST:,} bytes")
    return dict(parse_qsl(data.decode("utf-8", "replace")))


async def refuse(request: Request, error: Exception) -> Response:
    """Say an error in one line, with its status; as JSON where that was asked for."""
    status, said = 500, f"unexpected {type(error).__name__}: {first_line(error)}"
    if isinstance(error, HTTPException):
        status, said = error.status_code, error.detail
    elif isinstance(error, PerennialError):
        status, said = _status_of(error), first_line(error)
    if request.url.path.endswith(".json"):
        return JSONResponse({"error": said}, status)
    return HTMLResponse(render("error", page={"error": said, "status": status}), status)


def _status_of(error: PerennialError) -> int:
    if isinstance(error, model_page.NotThere):
        return 404
    if isinstance(error, DecisionRefused):
        return 409
    return 400 if isinstance(error, DefinitionError) else 409 if error.exit_code == 1 else 500


def _describe_models(reader: Reader, request: Request) -> dict[str, Any]:
    return models_page.describe_models(reader, _now())


def _describe_model(reader: Reader, request: Request) -> dict[str, Any]:
    return model_page.describe_model(reader, request.path_params["model"])


def _describe_version(reader: Reader, request: Request) -> dict[str, Any]:
    asked, beside = request.path_params, request.query_params.get("beside", "")
    return model_page.describe_one(reader, asked["model"], asked["version"], beside)


def _describe_look(reader: Reader, request: Request) -> dict[str, Any]:
    asked = request.path_params
    return model_page.describe_one_look(reader, asked["model"], asked["look"])


def _now() -> datetime:
    return datetime.now(UTC)
