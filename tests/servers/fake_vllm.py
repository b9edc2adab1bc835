"""vLLM: its list names the window, and it counts tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route, words


@dataclass
class VLLM(Fake):
    def routes(self) -> dict[str, Route]:
        row = {"id": self.model, "owned_by": "vllm", "max_model_len": self.window}
        return {
            "GET /v1/models": lambda _: {"object": "list", "data": [row]},
            "GET /version": lambda _: {"version": "0.12.0"},
            "POST /tokenize": lambda body: {
                "count": words(body["prompt"]),
                "max_model_len": self.window,
                "tokens": [],
            },
        }

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        room = body.get("max_tokens", 0)
        if prompt + room <= self.window:
            return None
        said = (
            f"This model's maximum context length is {self.window} tokens. However, you requested "
            f"{prompt + room} tokens ({prompt} in the messages, {room} in the completion)."
        )
        return 400, {"object": "error", "message": said, "type": "BadRequestError", "code": 400}
