"""Likes: kept once, never taken back.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from fastapi import APIRouter

from lunalux_core.backend.web import limits
from lunalux_core.backend.web.http import CurrentServices, CurrentSession, limit
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.wire.characters import LikedResponse, LikeRequest
from lunalux_core.wire.wire_body import Success

router = APIRouter(prefix="/api/liked", tags=["likes"])


@router.post("/add", responses=answers(*SESSION, "CHARACTER_NOT_FOUND", "RATE_LIMITED"))
async def add(body: LikeRequest, session: CurrentSession, services: CurrentServices) -> Success:
    """Like a character; to like it again changes nothing."""
    await limit(services, limits.LIKE, session.user_id)
    if await services.activity.like(session.user_id, body.character_id):
        card = await services.characters.find(body.character_id)
        if card is not None:
            services.touched(card.language)
    return Success()


@router.get("/me", responses=answers(*SESSION))
async def mine(session: CurrentSession, services: CurrentServices) -> LikedResponse:
    """Ids of what one likes."""
    return LikedResponse(character_ids=await services.activity.liked(session.user_id))
