"""For load balancers and operators: liveness, readiness, metrics. No session, no envelope of ours needed."""

from __future__ import annotations

import hmac
from typing import Literal

from fastapi import APIRouter, Request, Response

from lunalux_core.backend.web.http import CurrentServices
from lunalux_core.backend.web.openapi_examples import answers
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.wire.wire_body import Success, Wire

router = APIRouter(tags=["health"])


class Upkeep(Wire):
    """How work beside the requests stands: seconds since it last went well, and what it met since."""

    state: Literal["ok", "late"]
    age_seconds: int
    trouble: str | None = None


class ReadyResponse(Success):
    """`upkeep` by kind of work, where this process does any: `ranking`, `sweep`."""

    upkeep: dict[str, Upkeep] | None = None


def _may_scrape(request: Request, token: str) -> bool:
    if token:
        # The scheme is of any case (RFC 9110, 11.1), the token is not.
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    # Over a Unix socket there is no address, and whoever connects is on this machine.
    return request.client is None or request.client.host in ("127.0.0.1", "::1")


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> Success:
    """The process runs."""
    return Success()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=answers("STORE_UNAVAILABLE"), response_model_exclude_none=True)
async def ready(services: CurrentServices) -> ReadyResponse:
    """The storage answers. Work that stands still is told beside it, and is no reason to send nobody here."""
    await services.store.get(services.settings.tables.user, ("HEALTH", "HEALTH"))
    standing = services.chores.standing()
    return ReadyResponse(
        upkeep={
            name: Upkeep(
                state="late" if standing.late else "ok",
                age_seconds=standing.age_s,
                trouble=standing.trouble or None,
            )
            for name, standing in standing.items()
        }
        or None
    )


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, services: CurrentServices) -> Response:
    """Prometheus text, where LUNALUX_METRICS is set: for this machine, or for whoever has the token."""
    if not services.metrics.enabled or not _may_scrape(request, services.settings.metrics_token):
        raise refuse("NOT_FOUND", "There is no such address.")
    body, media_type = services.metrics.exposition()
    return Response(body, media_type=media_type)
