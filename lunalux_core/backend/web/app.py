"""The HTTP application: `create_app(services)`.

A plain function of ready-made services: no module-level app and no lifespan, so that an in-process
transport is complete and two apps can live in one process.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from lunalux_core import __version__
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.table import Invalid
from lunalux_core.backend.web.http import handle_error
from lunalux_core.backend.web.middleware import ServiceMiddleware
from lunalux_core.backend.web.openapi_examples import describe
from lunalux_core.backend.web.routes import (
    auth,
    blobs,
    characters,
    coupons,
    gateway,
    health,
    invites,
    likes,
    market,
    models,
    sessions,
    users,
    wallets,
)
from lunalux_core.errors import LunaluxError

ROUTERS = (  # searched in this order: what is asked most comes first
    gateway.router,
    auth.router,
    sessions.router,
    users.router,
    wallets.router,
    invites.router,
    coupons.router,
    models.router,
    market.router,
    characters.router,
    likes.router,
    blobs.router,
    health.router,
)
CLIENT_HEADERS = ["content-type", "x-user-id", "x-session-token", "x-request-id", "idempotency-key"]
SERVER_HEADERS = ["x-request-id", "x-session-token", "retry-after"]


def create_app(services: Services) -> FastAPI:
    """The whole API over `services`, ready for uvicorn or an in-process transport.

    Args:
        services: built by `embedded` or `aws`; the caller closes them.
    """
    app = FastAPI(title="Lunalux", version=__version__, docs_url=None, redoc_url=None)
    app.state.services = services
    app.router.redirect_slashes = False  # its Location would be of whatever host the request names
    for router in ROUTERS:  # not included: every level of routers is searched anew for each request
        app.router.routes.extend(router.routes)
    for kind in (LunaluxError, RequestValidationError, HTTPException, Invalid):
        app.add_exception_handler(kind, handle_error)
    if services.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(services.settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=CLIENT_HEADERS,
            expose_headers=SERVER_HEADERS,
        )
    app.add_middleware(
        ServiceMiddleware, settings=services.settings, metrics=services.metrics, traces=services.traces
    )  # last is outermost
    describe(app)
    return app
