"""Paid services: OpenRouter's list; Anthropic's and Gemini's cards of models, their counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.fake import Fake, Route, event, words


@dataclass
class OpenRouter(Fake):
    def routes(self) -> dict[str, Route]:
        row = {
            "id": self.model,
            "context_length": self.window,
            "top_provider": {"context_length": self.window, "max_completion_tokens": 8192},
            "architecture": {"input_modalities": ["text", "image"]},
            "pricing": {"prompt": "0.000003", "completion": "0.000015"},
            "supported_parameters": ["temperature", "top_p", "min_p", "max_tokens"],
        }
        return {"GET /v1/models": lambda _: {"data": [{"id": "another/one", "context_length": 1}, row]}}

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < self.window:
            return None
        said = (
            f"This endpoint's maximum context length is {self.window} tokens. However, you requested about "
            f"{prompt + 9} tokens ({prompt} of text input, 9 in the output). Please reduce the length."
        )
        return 400, {"error": {"message": said, "code": 400}}


@dataclass
class Anthropic(Fake):
    chat_paths = ("/v1/messages",)

    def routes(self) -> dict[str, Route]:
        return {
            f"GET /v1/models/{self.model}": lambda _: {
                "id": self.model,
                "type": "model",
                "max_input_tokens": self.window,
                "max_tokens": 8192,
            },
            "POST /v1/messages/count_tokens": lambda body: {"input_tokens": 7 + words(self.prompt_of(body))},
        }

    def prompt_of(self, body: Any) -> str:
        blocks = [*body.get("system", []), *(one for turn in body["messages"] for one in _blocks(turn))]
        return " ".join(str(one.get("text", "")) for one in blocks)

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < self.window:
            return None
        said = f"prompt is too long: {prompt} tokens > {self.window} maximum"
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": said}}

    def before(self, body: Any) -> list[bytes]:
        usage = {"input_tokens": words(self.prompt_of(body)), "output_tokens": 1}
        return [event({"type": "message_start", "message": {"id": "x", "content": [], "usage": usage}})]

    def chunk(self, text: str) -> bytes:
        return event(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        )

    def end(self, prompt: int) -> bytes:
        told = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
        return event(told) + event({"type": "message_stop"})


def _blocks(turn: Any) -> list[Any]:
    content = turn["content"]
    return content if isinstance(content, list) else [{"text": content}]


@dataclass
class Gemini(Fake):
    @property
    def chat_paths(self) -> tuple[str, ...]:  # type: ignore[override]
        return (f"/v1beta/models/{self.model}:streamGenerateContent",)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1beta"

    def routes(self) -> dict[str, Route]:
        home = f"/v1beta/models/{self.model}"
        return {
            f"GET {home}": lambda _: {
                "name": f"models/{self.model}",
                "inputTokenLimit": self.window,
                "outputTokenLimit": 8192,
            },
            f"POST {home}:countTokens": lambda body: {"totalTokens": words(self.prompt_of(body))},
        }

    def prompt_of(self, body: Any) -> str:
        turns = [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]
        return " ".join(part["text"] for turn in turns for part in turn["parts"])

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        if prompt < self.window:
            return None
        said = (
            f"The input token count ({prompt}) exceeds the maximum number of tokens allowed ({self.window})."
        )
        return 400, {"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}

    def chunk(self, text: str) -> bytes:
        return event({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]})

    def end(self, prompt: int) -> bytes:
        return event(
            {
                "candidates": [{"finishReason": "STOP", "content": {"parts": []}}],
                "usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": 4},
            }
        )
