"""Ollama: its own protocol, whose streams are lines of JSON, and OpenAI's beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route


@dataclass
class Ollama(Fake):
    """`loaded` is the window with which the model is in memory, 0 where it is not; `window` its maximum."""

    loaded: int = 0

    chat_paths = ("/api/chat",)

    def routes(self) -> dict[str, Route]:
        return {
            "GET /api/version": lambda _: {"version": "0.13.1"},
            "GET /api/tags": lambda _: {"models": [self._row()]},
            "GET /api/ps": lambda _: {"models": [self._row()] if self.loaded else []},
            "POST /api/show": self._show,
            "POST /api/generate": self._keep,
            "GET /v1/models": lambda _: {"data": [{"id": f"{self.model}:latest", "owned_by": "library"}]},
        }

    def _row(self) -> dict[str, Any]:
        name = f"{self.model}:latest"
        return {"name": name, "model": name, "size": 4_700_000_000, "context_length": self.loaded}

    def _show(self, body: Any) -> Any:
        if body.get("model") not in (self.model, f"{self.model}:latest"):
            return 404, {"error": f"model '{body.get('model')}' not found"}
        return {
            "model_info": {"general.architecture": "llama", "llama.context_length": self.window},
            "capabilities": ["completion", "vision"],
            "template": "{{ .Prompt }}",
        }

    def _keep(self, body: Any) -> Any:
        self.loaded = 0 if body.get("keep_alive") == 0 else self.loaded or 4096
        return {"model": body["model"], "done": True, "done_reason": "unload" if not self.loaded else "load"}

    def chunk(self, text: str) -> bytes:
        return json.dumps({"message": {"role": "assistant", "content": text}, "done": False}).encode() + b"\n"

    def end(self, prompt: int) -> bytes:
        last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
        return json.dumps({**last, "prompt_eval_count": prompt, "eval_count": 4}).encode() + b"\n"
