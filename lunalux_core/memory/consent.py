"""Writing behind the replies with a model that costs: only where the person agreed to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec

CONSENT = "memory_consent"
"""In the library's state: what the person said about each model that costs."""


async def consents(library: Library) -> Mapping[str, bool | None]:
    """What was said about each model; None: asked, and not answered yet."""
    answers = await library.state.get(CONSENT, {})
    return answers if isinstance(answers, dict) else {}


async def store_consent(library: Library, model: str, yes: bool | None) -> None:
    """Remember what the person said about a model."""

    def change(answers: object) -> dict[str, bool | None]:
        return {**(answers if isinstance(answers, dict) else {}), model: yes}

    await library.state.update(CONSENT, change)


def costs(spec: ModelSpec) -> bool:
    """Whether writing with this model costs coins or tokens: all but models on machines of one's own."""
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    if spec.provider == "practice" or spec.options.price == (0, 0, 0):
        return False
    # Servers that people run themselves; with a key it may be one that is rented.
    if spec.provider in ("ollama", "llamacpp", "koboldcpp", "tabby", "textgen", "vllm") and not spec.key_name:
        return False
    host = urlsplit(spec.base_url).hostname or ""
    if host == "localhost" or host.endswith((".local", ".lan", ".internal")):
        return False
    with suppress(ValueError):
        return not (ip_address(host).is_private or ip_address(host).is_loopback)
    return True
