"""The server's own models: from a row of the price list to something that streams.

Keys and addresses come from the server's settings alone. One pool of connections serves all.

See docs/spec/backend.md: Money rules.
"""

from __future__ import annotations

import os
from dataclasses import replace

from lunalux_core.backend.running.backend_settings import ProviderSettings
from lunalux_core.errors import BackendError, InvalidInput
from lunalux_core.llm.model import ChatModel, ModelSpec
from lunalux_core.llm.servers.pool import HttpPool, Retry, Timeouts


class OfficialModels:
    """Makes `ChatModel`s for model types `openai`, `gemini` and `practice`."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        waits = Timeouts(first_token=settings.timeout_s, between_tokens=settings.timeout_s)
        # One try: the person waits, and may ask again under the same key.
        self._pool = HttpPool(waits, Retry(attempts=1))

    def model(self, kind: str, name: str, model_id: str) -> ChatModel:
        """The model behind a row.

        Raises:
            BackendError: LLM_CONFIG_INVALID, the row or the server's settings do not make a model.
        """
        settings = self._settings
        try:
            if kind == "practice":
                from lunalux_core.llm.practice.practice_model import PRACTICE, PracticeModel, practice_rate

                spec = replace(PRACTICE, name=model_id, model=name)
                return PracticeModel(practice_rate(os.environ), spec)
            if kind == "openai" and name and (settings.openai_key or not _is_default(settings)):
                from lunalux_core.llm.servers.openai import OpenAIModel

                spec = ModelSpec(model_id, "openai", name, settings.openai_base_url)
                return OpenAIModel(spec, settings.openai_key, self._pool)
            if kind == "gemini" and name and settings.gemini_key:
                from lunalux_core.llm.servers.gemini import GeminiModel

                spec = ModelSpec(model_id, "gemini", name, settings.gemini_base_url)
                return GeminiModel(spec, settings.gemini_key, self._pool)
        except InvalidInput as error:
            raise _misconfigured(model_id) from error
        raise _misconfigured(model_id)

    async def close(self) -> None:
        await self._pool.aclose()


def _is_default(settings: ProviderSettings) -> bool:
    """A server of one's own, such as llama.cpp, may need no key; OpenAI's always does."""
    return settings.openai_base_url == ProviderSettings().openai_base_url


def _misconfigured(model_id: str) -> BackendError:
    return BackendError(
        "LLM_CONFIG_INVALID",
        f"The official model {model_id} is not set up on this server.",
        "Choose another model, or tell the operator.",
        model=model_id,
    )
