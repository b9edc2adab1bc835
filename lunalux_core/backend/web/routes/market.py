"""The market's pages: hot and new, first and more.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lunalux_core.backend.market.ranking_keys import Sort
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.wire.base import Lang
from lunalux_core.wire.characters import CharacterPageResponse, MoreRequest

router = APIRouter(prefix="/api/character", tags=["market"])

LangQuery = Annotated[Lang, Query()]
Limit = Annotated[int | None, Query()]


async def _first(request: Request, services: Services, sort: Sort, lang: Lang, limit: int | None) -> Response:
    if services.eager:
        await services.ranking.drain_if_due(lang, sort)
    page = await services.pages.first(lang, sort, limit, str(request.base_url))
    return Response(page, media_type="application/json")


async def _more(request: Request, services: Services, sort: Sort, body: MoreRequest) -> CharacterPageResponse:
    base_url = str(request.base_url)
    return await services.pages.more(body.lang, sort, body.exclusive_start_key, body.limit, base_url)


@router.get("/hot-first-page", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def hot_first_page(
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    lang: LangQuery = "en",
    limit: Limit = None,
) -> Response:
    """The hottest cards of a language."""
    return await _first(request, services, "hot", lang, limit)


@router.get("/list", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def compatible_list(
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    lang: LangQuery = "en",
    limit: Limit = None,
) -> Response:
    """The same as `hot-first-page`, under its old name."""
    return await _first(request, services, "hot", lang, limit)


@router.get("/time-first-page", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def time_first_page(
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    lang: LangQuery = "en",
    limit: Limit = None,
) -> Response:
    """The newest cards of a language."""
    return await _first(request, services, "time", lang, limit)


@router.post("/hot-more", responses=answers(*SESSION), response_model_exclude_none=True)
async def hot_more(
    body: MoreRequest, request: Request, session: CurrentSession, services: CurrentServices
) -> CharacterPageResponse:
    """The page after `exclusiveStartKey`, which is an earlier page's `nextKey`."""
    return await _more(request, services, "hot", body)


@router.post("/time-more", responses=answers(*SESSION), response_model_exclude_none=True)
async def time_more(
    body: MoreRequest, request: Request, session: CurrentSession, services: CurrentServices
) -> CharacterPageResponse:
    """The page after `exclusiveStartKey`, which is an earlier page's `nextKey`."""
    return await _more(request, services, "time", body)
