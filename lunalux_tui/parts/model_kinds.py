"""Where a model can run: what a new configuration begins with, by kind."""

from __future__ import annotations

from collections.abc import Mapping

from lunalux_core.config.settings import SavedModel
from lunalux_core.llm.servers.local import LOCAL_SERVERS
from lunalux_tui.i18n import t

HOSTED: Mapping[str, SavedModel] = {
    "openai": SavedModel("", "openai", ""),
    "anthropic": SavedModel("", "anthropic", ""),
    "gemini": SavedModel("", "gemini", ""),
    "openrouter": SavedModel("", "openrouter", "", "https://openrouter.ai/api/v1"),
    "deepseek": SavedModel("", "deepseek", "", "https://api.deepseek.com/v1"),
    "mistral": SavedModel("", "mistral", "", "https://api.mistral.ai/v1"),
}
"""Companies that want a key."""

ANOTHER = "another"
"""Any server that speaks like OpenAI's."""

KINDS: Mapping[str, SavedModel] = {
    **HOSTED,
    **{
        name: SavedModel("", "openai", "", server.base_url)
        for name, server in LOCAL_SERVERS.items()
        if name != "local"  # a server that says nothing of what it is: the same as another one
    },
    ANOTHER: SavedModel("", "openai", "", "http://127.0.0.1:8080/v1"),
}
"""All of them."""


def place(kind: str) -> str:
    """A kind as it is called within a sentence."""
    return t("connect.another") if kind == ANOTHER else t(f"model.kind.{kind}")
