"""Whether the person agreed that a model that costs is used in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.llm.model import ModelSpec

CONSENT = "memory_consent"
"""The key in the library's state for the person's answers by model."""


async def consents(library: Library) -> Mapping[str, bool | None]:
    """The answers by model; None: the person was asked and has not answered."""
    answers = await library.state.get(CONSENT, {})
    return answers if isinstance(answers, dict) else {}


async def store_consent(library: Library, model: str, yes: bool | None) -> None:
    """Store the answer for a model; see `consents`."""

    def change(answers: object) -> dict[str, bool | None]:
        return {**(answers if isinstance(answers, dict) else {}), model: yes}

    await library.state.update(CONSENT, change)


async def allowed_in_background(
    library: Library, spec: ModelSpec, *, always: bool, ask: Callable[[], Awaitable[None]]
) -> bool:
    """Whether a model may write while the person goes on.

    Args:
        always: whether the settings allow models that cost.
        ask: asks the person about a model that costs and that they were never asked about; stores the answer
            None before that, so that each model is asked about once for memories and trackers.
    """
    if spec.provider == "practice":
        return False
    if not costs(spec) or always:
        return True
    answers = await consents(library)
    if spec.name not in answers:
        await ask()
    return answers.get(spec.name) is True


def costs(spec: ModelSpec) -> bool:
    """Whether using this model costs coins or money: all do except those on one's own machines."""
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    if spec.provider == "practice" or spec.options.price == (0, 0, 0):
        return False
    # Servers that people run themselves; one with a key may be rented.
    if spec.provider in ("ollama", "llamacpp", "koboldcpp", "tabby", "textgen", "vllm") and not spec.key_name:
        return False
    host = urlsplit(spec.base_url).hostname or ""
    if host == "localhost" or host.endswith((".local", ".lan", ".internal")):
        return False
    with suppress(ValueError):
        return not (ip_address(host).is_private or ip_address(host).is_loopback)
    return True
