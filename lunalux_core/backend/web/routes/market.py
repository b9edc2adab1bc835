"""The market's pages: hot and new, first and more.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from lunalux_core.backend.market.ranking_keys import RankSort
from lunalux_core.backend.web.http import CurrentServices, CurrentSession
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.language import Language
from lunalux_core.wire.characters import CharacterPageResponse, MoreRequest

router = APIRouter(prefix="/api/character", tags=["market"])

LangQuery = Annotated[Language, Query()]
Limit = Annotated[int | None, Query()]


def _first(
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    lang: LangQuery = "en",
    limit: Limit = None,
) -> Callable[[RankSort], Awaitable[Response]]:
    """Dependency: a function that gives the first page of an order, in the language and size asked for."""

    async def page(sort: RankSort) -> Response:
        if services.rank_on_request:
            await services.ranking.drain_if_due(lang, sort)
        else:
            services.ranking.note_interest(lang)
        text = await services.pages.first(lang, sort, limit, str(request.base_url))
        return Response(text, media_type="application/json")

    return page


def _more(
    body: MoreRequest, request: Request, session: CurrentSession, services: CurrentServices
) -> Callable[[RankSort], Awaitable[CharacterPageResponse]]:
    """Dependency: a function that gives the page of an order after the key in the request."""
    base_url = str(request.base_url)
    return lambda sort: services.pages.more(body.lang, sort, body.exclusive_start_key, body.limit, base_url)


First = Annotated[Callable[[RankSort], Awaitable[Response]], Depends(_first)]
More = Annotated[Callable[[RankSort], Awaitable[CharacterPageResponse]], Depends(_more)]


@router.get("/hot-first-page", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def hot_first_page(first: First) -> Response:
    """The hottest cards of a language."""
    return await first("hot")


@router.get("/list", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def compatible_list(first: First) -> Response:
    """The same as `hot-first-page`, under its old name."""
    return await first("hot")


@router.get("/time-first-page", responses=answers(*SESSION), response_model=CharacterPageResponse)
async def time_first_page(first: First) -> Response:
    """The newest cards of a language."""
    return await first("time")


@router.post("/hot-more", responses=answers(*SESSION), response_model_exclude_none=True)
async def hot_more(more: More) -> CharacterPageResponse:
    """The page after `exclusiveStartKey`, which is an earlier page's `nextKey`."""
    return await more("hot")


@router.post("/time-more", responses=answers(*SESSION), response_model_exclude_none=True)
async def time_more(more: More) -> CharacterPageResponse:
    """The page after `exclusiveStartKey`, which is an earlier page's `nextKey`."""
    return await more("time")
