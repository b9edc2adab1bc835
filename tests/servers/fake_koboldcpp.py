"""KoboldCpp: its own API beside OpenAI's, and imitations of llama.cpp's and Ollama's. A prompt that is too
long is cut without a word."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route, event, words


@dataclass
class KoboldCpp(Fake):
    chat_paths = ("/v1/chat/completions", "/api/extra/generate/stream")

    def routes(self) -> dict[str, Route]:
        return {
            "GET /api/extra/version": lambda _: {
                "result": "KoboldCpp",
                "version": "1.101",
                "vision": True,
                "audio": False,
            },
            "GET /api/extra/true_max_context_length": lambda _: {"value": self.window},
            "GET /api/v1/model": lambda _: {"result": f"koboldcpp/{self.model}"},
            "GET /props": lambda _: {
                "default_generation_settings": {"n_ctx": self.window},
                "chat_template": "{{ messages }}",
            },
            "GET /api/version": lambda _: {"version": "0.7.0"},
            "GET /v1/models": lambda _: {
                "data": [{"id": f"koboldcpp/{self.model}", "owned_by": "koboldcpp"}]
            },
            "POST /api/extra/tokencount": lambda body: {"value": words(body["prompt"]), "ids": []},
            "POST /api/extra/abort": self._abort,
            "GET /api/extra/perf": lambda _: {
                "last_process": 0.1,
                "last_eval": 0.5,
                "last_token_count": 21,
                "idle": 1,
            },
        }

    async def _abort(self, body: Any) -> Any:
        await asyncio.sleep(0)
        return {"success": "true"}

    def chunk(self, text: str) -> bytes:
        document = {"token": text, "choices": [{"index": 0, "delta": {"content": text}, "text": text}]}
        return event(document)
