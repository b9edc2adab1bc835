"""llama.cpp's `llama-server`, with one model, or as a router of several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from servers.fake import Fake, Route, event, words

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


@dataclass
class LlamaCpp(Fake):
    """`progress` are the shares of the prompt that are told while it is read."""

    progress: tuple[int, ...] = ()

    def routes(self) -> dict[str, Route]:
        return {
            "GET /props": lambda _: {
                "default_generation_settings": {"n_ctx": self.window, "params": {}},
                "model_alias": self.model,
                "chat_template": TEMPLATE,
                "modalities": {"vision": True, "audio": False},
                "total_slots": 1,
            },
            "GET /v1/models": lambda _: {
                "object": "list",
                "data": [{"id": self.model, "owned_by": "llamacpp", "meta": {"n_ctx": self.window}}],
            },
            "POST /tokenize": lambda body: {"tokens": list(range(words(body["content"])))},
        }

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < self.window:
            return None
        return 400, {
            "error": {
                "code": 400,
                "message": f"request ({prompt} tokens) exceeds the available context size ({self.window} "
                "tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": prompt,
                "n_ctx": self.window,
            }
        }

    def before(self, body: Any) -> list[bytes]:
        if not body.get("return_progress"):
            return []
        told = ({"total": 100, "cache": 0, "processed": one, "time_ms": 5} for one in self.progress)
        return [
            event({"choices": [{"index": 0, "delta": {"role": "assistant"}}], "prompt_progress": one})
            for one in told
        ]


@dataclass
class LlamaRouter(LlamaCpp):
    """Models that are loaded when they are asked for or told to."""

    models: dict[str, bool] = field(default_factory=lambda: {"m": True, "other": False})

    def routes(self) -> dict[str, Route]:
        rows = [
            {
                "id": name,
                "owned_by": "llamacpp",
                "status": {"value": "loaded" if held else "unloaded"},
                **({"meta": {"n_ctx": self.window}} if held else {}),
            }
            for name, held in self.models.items()
        ]
        one = LlamaCpp.routes(self)
        return {
            **one,
            "GET /props": lambda _: {"role": "router", "default_generation_settings": {"n_ctx": 0}},
            **{f"GET /props?model={name}": self._loading(name, one["GET /props"]) for name in self.models},
            "GET /v1/models": lambda _: {"data": rows},
            "POST /models/load": lambda body: self._switch(body, True),
            "POST /models/unload": lambda body: self._switch(body, False),
        }

    def _loading(self, name: str, props: Route) -> Route:
        def asked(body: Any) -> Any:
            self.models[name] = True
            return props(body)

        return asked

    def _switch(self, body: Any, held: bool) -> Any:
        if body["model"] not in self.models:
            return 404, {"error": {"code": 404, "message": "model not found", "type": "not_found_error"}}
        self.models[body["model"]] = held
        return {"success": True}
