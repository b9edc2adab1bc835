"""text-generation-webui: its internal addresses beside OpenAI's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route, words


@dataclass
class TextGen(Fake):
    def routes(self) -> dict[str, Route]:
        return {
            "GET /v1/internal/model/info": lambda _: {"model_name": self.model, "lora_names": []},
            "GET /v1/models": lambda _: {"data": [{"id": self.model, "owned_by": "user"}]},
            "POST /v1/internal/token-count": lambda body: {"length": words(body["text"])},
            "POST /v1/internal/model/load": self._load,
            "POST /v1/internal/model/unload": self._unload,
        }

    def _load(self, body: Any) -> Any:
        self.model = body["model_name"]
        return "OK"

    def _unload(self, body: Any) -> Any:
        self.model = "None"
        return "OK"

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < self.window:
            return None
        said = f"This model maximum context length is {self.window} tokens. However, your messages "
        return 400, {
            "error": {
                "message": f"{said}resulted in over {prompt} tokens.",
                "code": 400,
                "type": "InvalidRequestError",
            }
        }
