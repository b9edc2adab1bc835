"""Waiting until widgets have gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def removal(removed: Awaitable[object]) -> None:
    """Wait for what `remove()` of a widget or a query gives; a worker that is cancelled meanwhile only stops
    waiting.

    Textual waits for the message loops of the widgets with `asyncio.gather`, which cancels what it waits for.
    The app waits for the same loops, takes their cancellation for its own, and closes without a word. Not for
    a handler of the widget that goes away: that one would wait for itself.
    """
    await asyncio.shield(asyncio.ensure_future(removed))
