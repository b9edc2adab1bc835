"""For load balancers and operators: liveness, readiness, metrics. No session, no envelope of ours needed."""

from __future__ import annotations

from fastapi import APIRouter, Response

from lunalux_core.backend.http import CurrentServices
from lunalux_core.backend.openapi_examples import answers
from lunalux_core.backend.refusals import refuse
from lunalux_core.wire.base import Success

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> Success:
    """The process runs."""
    return Success()


@router.get("/ready", responses=answers("STORE_UNAVAILABLE"))
async def ready(services: CurrentServices) -> Success:
    """The storage answers."""
    await services.store.get(services.settings.tables.user, ("HEALTH", "HEALTH"))
    return Success()


@router.get("/metrics", include_in_schema=False)
async def metrics(services: CurrentServices) -> Response:
    """Prometheus text, where LUNALUX_METRICS is set."""
    if not services.metrics.enabled:
        raise refuse("NOT_FOUND", "There is no such address.")
    body, media_type = services.metrics.exposition()
    return Response(body, media_type=media_type)
