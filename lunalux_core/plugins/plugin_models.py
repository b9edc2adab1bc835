"""Models that plug-ins bring, as the registry knows models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from lunalux_core.errors import PluginError, ProviderError
from lunalux_core.llm.model import Delta, ModelRequest, ModelSpec
from lunalux_core.llm.model_registry import Offer
from lunalux_core.plugins.api import Model, ModelCall
from lunalux_core.plugins.runner import Plugins

PREFIX = "plugin"


def offers(plugins: Plugins) -> list[Offer]:
    """Every model of every plug-in, named `plugin:PLUGIN/NAME`."""
    return [_offer(plugin, model) for plugin, model in plugins.models()]


def _offer(plugin: str, model: Model) -> Offer:
    spec = ModelSpec(
        f"{PREFIX}:{plugin}/{model.name}", "plugin", model.name, context_tokens=model.context_tokens
    )
    return Offer(spec, lambda chosen: PluginModel(chosen, plugin, model))


class PluginModel:
    """Talks to one model of a plug-in; see `ChatModel`."""

    def __init__(self, spec: ModelSpec, plugin: str, model: Model) -> None:
        self._spec = spec
        self._plugin = plugin
        self._model = model

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`.

        Raises:
            ProviderError: PLUGIN_MODEL_FAILED, whatever the plug-in raised.
        """
        call = ModelCall(
            request.messages,
            request.sampling,
            request.language,
            request.character.name if request.character else "",
        )
        try:
            pieces = self._model.reply(call)
            if isinstance(pieces, AsyncIterable):
                async for piece in pieces:
                    yield Delta(text=str(piece))
            else:
                iterator = iter(pieces)
                while (chunk := await asyncio.to_thread(_next, iterator)) is not None:
                    yield Delta(text=chunk)
        except (PluginError, ProviderError):
            raise
        except Exception as error:  # a plug-in is a stranger's code: its failure is that of a server
            reason = f"{type(error).__name__}: {error}"
            raise ProviderError(
                "PLUGIN_MODEL_FAILED",
                f"The model {self._spec.name} failed: {reason}",
                "Try again, or choose another model.",
                model=self._spec.name,
                plugin=self._plugin,
                reason=reason,
            ) from error
        yield Delta(finish="stop")


def _next(pieces: Iterator[str]) -> str | None:
    piece = next(pieces, None)
    return None if piece is None else str(piece)
