"""`GET /api/session/validate`: is this session still the account's one?"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.wire.users import SessionValidResponse

router = APIRouter(prefix="/api/session", tags=["session"])


@router.get("/validate", responses=answers(*SESSION), response_model_exclude_none=True)
async def validate(session: CurrentSession, services: CurrentServices) -> SessionValidResponse:
    """Reads no table of user data; the session row itself is cached for up to five seconds (R-SESSION), and
    the version of the price list is what this process last read of it."""
    return SessionValidResponse(user_id=session.user_id, model_config_version=services.models.version())
