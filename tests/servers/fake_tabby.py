"""TabbyAPI: the loaded model's card, counting, and loading with an admin's key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route, words


@dataclass
class Tabby(Fake):
    held: bool = True

    def routes(self) -> dict[str, Route]:
        return {
            "GET /v1/model": self._card,
            "GET /v1/models": lambda _: {"data": [{"id": self.model, "object": "model"}]},
            "POST /v1/token/encode": self._encode,
            "POST /v1/model/load": self._load,
            "POST /v1/model/unload": self._unload,
        }

    def _card(self, _: Any) -> Any:
        if not self.held:
            return 400, {"detail": "No models are currently loaded."}
        return {
            "id": self.model,
            "object": "model",
            "parameters": {
                "max_seq_len": self.window,
                "prompt_template": "chatml",
                "prompt_template_content": "{{ messages }}",
                "use_vision": False,
            },
        }

    def _encode(self, body: Any) -> Any:
        return {"tokens": [], "length": words(body["text"])}

    def _load(self, body: Any) -> Any:
        self.model, self.held = body["model_name"], True
        return {"model_type": "model", "module": 1, "modules": 1, "status": "finished"}

    def _unload(self, body: Any) -> Any:
        self.held = False
        return None

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        room = body.get("max_tokens", 0)
        if prompt + room <= self.window:
            return None
        said = f"Request length {prompt} + {room} is greater than max_seq_len {self.window}"
        return 400, {"detail": said}
