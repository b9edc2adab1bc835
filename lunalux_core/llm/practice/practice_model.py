"""The practice model: built in, offline, deterministic. It is not an AI and says so in its thinking.

It exists so that everything can be tried without a key: it streams, thinks, suggests what to say next
and sums the turn up, in the same raw form that prompts ask of real models. Its replies are
put together from the card's own material; see `composer`.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping

from lunalux_core.llm.model import Delta, ModelRequest, ModelSpec, Usage

PRACTICE = ModelSpec("practice", "practice", "practice", context_tokens=32_768)
DEFAULT_RATE = 60.0
RATE_VARIABLE = "LUNALUX_PRACTICE_RATE"
UNPACED_TURN = 64  # pieces after which a reply without delay lets everything else run

_PIECE = re.compile(r"\s*[\u2e80-\uffef]{1,2}|\s*[^\s\u2e80-\uffef]{1,7}|\s+")


class PracticeModel:
    """`rate` is in pieces (about tokens) per second; 0 streams without any delay."""

    def __init__(self, rate: float = DEFAULT_RATE, spec: ModelSpec = PRACTICE) -> None:
        self._rate = max(0.0, rate)
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`; nothing can fail here. Usage is an estimate, as there are no tokens."""
        from lunalux_core.llm.practice.composer import compose  # phrases and patterns: on first use

        composition = compose(request)
        clock = asyncio.get_running_loop().time
        begun = clock()
        for count, delta in enumerate(_deltas(composition.thinking, composition.raw)):
            if self._rate:
                # By the clock from the beginning, so that late steps do not add up.
                await asyncio.sleep(max(0.0, begun + count / self._rate - clock()))
            elif count % UNPACED_TURN == 0:
                await asyncio.sleep(0)
            yield delta
        yield Delta(usage=_usage(request, composition.thinking + composition.raw), finish="stop")


def practice_rate(environ: Mapping[str, str]) -> float:
    """Pieces per second from LUNALUX_PRACTICE_RATE; the default where it is absent or no number."""
    value = environ.get(RATE_VARIABLE, "").strip()
    return float(value) if re.fullmatch(r"\d{1,6}(\.\d+)?", value) else DEFAULT_RATE


def _deltas(thinking: str, raw: str) -> Iterator[Delta]:
    for piece in _PIECE.findall(thinking):
        yield Delta(thinking=piece)
    for piece in _PIECE.findall(raw):
        yield Delta(text=piece)


def _usage(request: ModelRequest, reply: str) -> Usage:
    from lunalux_core.llm.tokens import TokenEstimator

    tokens = TokenEstimator()
    prompt = sum(tokens.message(message.content) for message in request.messages)
    return Usage(prompt, tokens.text(reply), estimated=True)
