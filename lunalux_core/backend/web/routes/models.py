"""The price list of the official models.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.wire.official import ModelConfig, ModelConfigsResponse

router = APIRouter(prefix="/api/model-config", tags=["models"])


@router.get("/list", responses=answers(*SESSION), response_model_exclude_none=True)
async def models(session: CurrentSession, services: CurrentServices) -> ModelConfigsResponse:
    """All whole rows by `sortOrder`."""
    rows = [ModelConfig.of(row) for row in await services.models.list()]
    return ModelConfigsResponse(configs=rows, model_config_version=services.models.version())
