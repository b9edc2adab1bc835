"""The border between HTTP and the service: one error handler, the session, limits.

A route raises an error of the one tree (`lunalux_core.errors`) with a documented code; what the client gets
is decided here and in `refusals`, and nowhere else.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from lunalux_core.backend.accounts.sessions import Session
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.table import Invalid
from lunalux_core.backend.storage.windows import Rule
from lunalux_core.backend.web.refusals import (
    QUIET,
    STATUS,
    STORE_RETRY_SECONDS,
    failure_body,
    public_code,
    rate_limited,
    refuse,
)
from lunalux_core.errors import LunaluxError
from lunalux_core.wire.wire_body import Wire

Body = TypeVar("Body", bound=Wire)
_BY_STATUS = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "INVALID_REQUEST",
    422: "INVALID_REQUEST",
}


_JSON_KIND = re.compile(r"application/[\w.-]+\+json")


def error_response(error: Exception) -> JSONResponse:
    """The answer for any exception. Nothing of an unexpected one leaves the server."""
    problem = _as_known(error)
    body = failure_body(problem)
    status = STATUS[body["code"]]
    headers: dict[str, str] = {}
    retry = problem.params.get("retry_after")
    if status == 503:
        headers["Retry-After"] = str(retry or STORE_RETRY_SECONDS)
    elif retry is not None:
        headers["Retry-After"] = str(retry)
    return JSONResponse(body, status_code=status, headers=headers)


def _as_known(error: Exception) -> LunaluxError:
    if isinstance(error, LunaluxError):
        if public_code(error) in QUIET:
            logger.error("refused: %s", error.message, extra={"code": error.code}, exc_info=error)
        return error
    if isinstance(error, RequestValidationError):
        return refuse("INVALID_REQUEST", _first_problem(error))
    if isinstance(error, HTTPException):
        return refuse(_BY_STATUS.get(error.status_code, "INTERNAL_ERROR"), _plain(error))
    if isinstance(error, Invalid):  # a row that another program wrote, and that nothing could be made of
        logger.error("a stored row cannot be used: %s", error, exc_info=error)
        return refuse("STORE_UNAVAILABLE", QUIET["STORE_UNAVAILABLE"])
    logger.error("unexpected error", exc_info=error)
    return refuse("INTERNAL_ERROR", QUIET["INTERNAL_ERROR"])


def _first_problem(error: RequestValidationError) -> str:
    """One sentence that names the member; never the value, which may be secret or not even text."""
    for problem in error.errors():
        where = [str(part) for part in problem["loc"] if not isinstance(part, int)]
        name = ".".join(where[1:]) or (where[0] if where else "request")
        if problem["type"] == "json_invalid":
            return "The request's body is not valid JSON."
        return f"The request's `{name[:80]}` is missing or not acceptable."
    return "The request is not acceptable."


def _plain(error: HTTPException) -> str:
    return {
        404: "There is no such address.",
        405: "This address does not take that method.",
        413: "The request is too large.",
    }.get(error.status_code, "The request could not be read.")


async def handle_error(request: Request, error: Exception) -> JSONResponse:
    """The one exception handler of the app."""
    response = error_response(error)
    if isinstance(error, HTTPException) and error.status_code == 405:
        response.headers["Allow"] = _allowed(request)
    return response


def _allowed(request: Request) -> str:
    """The methods of an address, of whichever of its routes (RFC 9110, 10.2.1); the framework names one
    route's. An address written out goes before one with a parameter in that place."""
    path = request.scope["path"]
    routes = [r for r in request.app.router.routes if isinstance(r, Route) and r.path_regex.match(path)]
    meant = next((r.path for r in routes if r.path == path), routes[0].path if routes else "")
    return ", ".join(sorted({method for r in routes if r.path == meant for method in r.methods or ()}))


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def session_headers(request: Request) -> tuple[str, str]:
    """User id and token as the caller sent them, "" for what is missing."""
    return request.headers.get("x-user-id", ""), request.headers.get("x-session-token", "")


async def require_session(request: Request) -> Session:
    """The caller's session, by the headers `x-user-id` and `x-session-token`.

    Raises:
        SessionError: UNAUTHORIZED (401) or SESSION_TAKEN_OVER (460).
    """
    return await services_of(request).sessions.check(*session_headers(request))


async def json_body(request: Request, kind: type[Body]) -> Body:
    """The request's body, for a route that is run without FastAPI's machinery.

    Raises:
        RequestValidationError: no JSON, or not of that kind.
    """
    content = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not _JSON_KIND.fullmatch(media_type):
        raise RequestValidationError([{"type": "model_type", "loc": ("body",)}])
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        # Without what was sent, which may be a secret.
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([p | {"loc": ("body", *p["loc"])} for p in problems]) from None


def client_address(request: Request) -> str:
    """Whom limits are counted against when nobody is signed in. A proxy's header is uvicorn's business.

    Of an IPv6 address the network: who has one has the other 2^64 as well.
    """
    host = request.client.host if request.client else "local"
    return host if ":" not in host else _network(host)


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address)


async def limit(services: Services, rule: Rule, who: str) -> None:
    """Count one request.

    Raises:
        BackendError: RATE_LIMITED with the seconds to wait.
    """
    wait = await services.limiter.take(rule, who)
    if wait:
        raise rate_limited(wait)


async def _services(request: Request) -> Services:
    """Asynchronous only so that the framework does not call it in a thread."""
    return services_of(request)


CurrentServices = Annotated[Services, Depends(_services)]
CurrentSession = Annotated[Session, Depends(require_session)]
