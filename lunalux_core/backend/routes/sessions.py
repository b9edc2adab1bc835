"""`GET /api/session/validate`: is this session still the account's one?"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.http import CurrentSession
from lunalux_core.backend.openapi_examples import SESSION, answers
from lunalux_core.wire.users import SessionValidResponse

router = APIRouter(prefix="/api/session", tags=["session"])


@router.get("/validate", responses=answers(*SESSION))
async def validate(session: CurrentSession) -> SessionValidResponse:
    """Reads no table of user data; the session row itself is cached for up to five seconds (R-SESSION)."""
    return SessionValidResponse(user_id=session.user_id)
