"""What tests of models share: a server on this machine, and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llm_server import ModelServer

    from lunalux_core.llm.servers.pool import HttpPool


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    from llm_server import model_server

    async with model_server() as running:
        yield running


@pytest.fixture
async def connections() -> AsyncIterator[HttpPool]:
    from llm_server import pool

    shared = pool()
    yield shared
    await shared.aclose()
