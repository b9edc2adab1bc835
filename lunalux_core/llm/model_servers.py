"""The server that a model stands on, and the key for it: a stored one, or a variable of the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput
from lunalux_core.llm.model import ENVIRONMENT_KEY, ModelSpec
from lunalux_core.llm.parameters import HOMES
from lunalux_core.llm.servers.pool import HttpPool, host_of

if TYPE_CHECKING:
    from lunalux_core.llm.servers.anthropic import AnthropicModel
    from lunalux_core.llm.servers.gemini import GeminiModel
    from lunalux_core.llm.servers.openai import OpenAIModel

HOSTED = frozenset({"openrouter", "anthropic", "deepseek", "mistral"})
"""Kinds that are one company's service; their keys may stand in the environment as KIND_API_KEY."""

OPENAI_KEY, OPENAI_URL, GEMINI_KEY = "OPENAI_API_KEY", "OPENAI_BASE_URL", "GEMINI_API_KEY"
ANTHROPIC_KEY, ANTHROPIC_URL = "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"


class ModelServers:
    """Opens models on their servers.

    Args:
        key: gives a stored credential by name, None when there is none.
        environ: the variables with keys and addresses; see `Registry`.
        pool: the connections.
    """

    def __init__(self, key: Callable[[str], str | None], environ: Mapping[str, str], pool: HttpPool) -> None:
        self._key = key
        self._environ = environ
        self._pool = pool

    def connections(self) -> tuple[ModelSpec, ...]:
        """Servers that the environment has a key or an address for, as specs without a model."""
        specs = []
        if self._environ.get(OPENAI_KEY) or self._environ.get(OPENAI_URL):
            specs.append(self.from_environment("openai", ""))
        if self._environ.get(ANTHROPIC_KEY) or self._environ.get(ANTHROPIC_URL):
            specs.append(self.from_environment("anthropic", ""))
        if self._environ.get(GEMINI_KEY):
            specs.append(self.from_environment("gemini", ""))
        return tuple(specs)

    def from_environment(self, provider: str, model: str) -> ModelSpec:
        """A model on the server that the environment names for `provider`: openai, anthropic or gemini."""
        if provider == "openai":
            url = self._environ.get(OPENAI_URL, "")
            return ModelSpec(f"openai:{model}", "openai", model, url, ENVIRONMENT_KEY + OPENAI_KEY)
        if provider == "anthropic":
            url = self._environ.get(ANTHROPIC_URL, "")
            return ModelSpec(f"anthropic:{model}", "anthropic", model, url, ENVIRONMENT_KEY + ANTHROPIC_KEY)
        return ModelSpec(f"gemini:{model}", "gemini", model, "", ENVIRONMENT_KEY + GEMINI_KEY)

    def open(self, spec: ModelSpec, *, keyless: bool = False) -> OpenAIModel | AnthropicModel | GeminiModel:
        """A model ready to talk; no connection is made yet. `keyless`: also one that lacks its key.

        Raises:
            InvalidInput: MODEL_KEY_MISSING, MODEL_KEY_INVALID, MODEL_URL_INVALID.
        """
        if spec.provider == "gemini":
            from lunalux_core.llm.servers import gemini

            key = self._key_of(spec, GEMINI_KEY, "", gemini.DEFAULT_BASE_URL, keyless)
            return gemini.GeminiModel(spec, key, self._pool)
        if spec.provider == "anthropic":
            from lunalux_core.llm.servers import anthropic

            # Its own clients leave the version out of the address, ours may have it: both are one server.
            home = anthropic.anthropic_base_url(self._environ.get(ANTHROPIC_URL, ""))
            at_home = replace(spec, base_url=anthropic.anthropic_base_url(spec.base_url))
            key = self._key_of(at_home, ANTHROPIC_KEY, home, anthropic.DEFAULT_BASE_URL, keyless)
            return anthropic.AnthropicModel(spec, key, self._pool)
        from lunalux_core.llm.servers import openai

        home = self._environ.get(OPENAI_URL, "")
        provider_url = openai.DEFAULT_BASE_URL
        variable = OPENAI_KEY
        if spec.provider in HOSTED:
            home, provider_url, variable = "", HOMES[spec.provider], f"{spec.provider.upper()}_API_KEY"
        key = self._key_of(spec, variable, home, provider_url, keyless)
        if spec.mode == "text":
            from lunalux_core.llm.servers.text_completion import TextCompletionModel

            return TextCompletionModel(spec, key, self._pool)
        return openai.OpenAIModel(spec, key, self._pool)

    def _key_of(self, spec: ModelSpec, variable: str, home: str, provider_url: str, keyless: bool) -> str:
        """The stored key, else `variable` where it is meant for this very server (`home`).

        The provider itself always needs a key; any other server may not, and says so if it does.
        """
        address = (spec.base_url.strip() or provider_url).rstrip("/")
        key: str | None = None
        if spec.key_name.startswith(ENVIRONMENT_KEY):
            key = self._environ.get(spec.key_name.removeprefix(ENVIRONMENT_KEY))
        elif spec.key_name:
            key = self._key(spec.key_name)
        # Only for this very server: the key of a variable must not reach another address.
        if not key and address == (home.strip() or provider_url).rstrip("/"):
            key = self._environ.get(variable)
        if not key and not keyless and host_of(address) == host_of(provider_url):
            raise InvalidInput(
                "MODEL_KEY_MISSING",
                f"The model {spec.name} has no key.",
                f"Add one in the settings, or set {variable}.",
                model=spec.name,
                variable=variable,
            )
        return key or ""
