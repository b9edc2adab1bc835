"""LM Studio: what it has, and what of it is in memory, beside OpenAI's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route


@dataclass
class LMStudio(Fake):
    """`loaded` is the window with which the model is in memory, 0 where it is not."""

    loaded: int = 0

    def routes(self) -> dict[str, Route]:
        return {
            "GET /api/v0/models": lambda _: {"object": "list", "data": [self._row()]},
            "GET /v1/models": lambda _: {"data": [{"id": self.model, "object": "model"}]},
            "POST /api/v1/models/load": self._load,
            "POST /api/v1/models/unload": self._unload,
        }

    def _row(self) -> dict[str, Any]:
        held = {"loaded_context_length": self.loaded} if self.loaded else {}
        return {
            "id": self.model,
            "type": "vlm",
            "state": "loaded" if self.loaded else "not-loaded",
            "max_context_length": self.window,
            **held,
        }

    def _load(self, body: Any) -> Any:
        if body["model"] != self.model:
            return 404, {"error": {"type": "model_not_found", "message": "no such model"}}
        self.loaded = body.get("context_length", 4096)
        return {"type": "llm", "instance_id": self.model, "status": "loaded"}

    def _unload(self, body: Any) -> Any:
        self.loaded = 0
        return {"instance_id": body["instance_id"]}

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < (self.loaded or self.window):
            return None
        return 400, {
            "error": f"Trying to keep the first {prompt} tokens when context the overflows. However, the "
            f"model is loaded with context length of only {self.loaded} tokens, which is not enough."
        }
