"""Calls the model behind an official reply: the request within its caps, the pieces as they come.

See docs/spec/backend.md: Money rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.errors import LunaluxError, NetworkError, ProviderError
from lunalux_core.llm.model import ChatModel, Delta, Message, ModelRequest, Sampling, Usage
from lunalux_core.wire.official import SubmitRequest

DEFAULT_MAX_INPUT_CHARS = 400_000
DEFAULT_MAX_OUTPUT_TOKENS = 8192
MAX_REPLY_CHARS = 120_000
SPEAKING = 0.25
"""A model that said something in the last quarter of its time is slow, not silent."""
CUT = "cut"
"""How a model's stream says that its server ended it before its end: nobody pays for half a reply."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the model's reply. One of the two is empty."""

    text: str = ""
    thinking: str = ""


@dataclass(slots=True)
class PartialReply:
    """The reply so far."""

    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    usage: Usage | None = None
    length: int = 0
    spoke_at: float = 0.0
    """When it last grew, by the event loop's clock."""

    @property
    def text(self) -> str:
        return _whole("".join(self._text))

    @property
    def thinking(self) -> str:
        return _whole("".join(self._thinking))

    def add(self, delta: Delta) -> int:
        """Add a piece of the reply; returns how long it is by now.

        Raises:
            BackendError: LLM_FAILED, it broke off.
        """
        if text := delta.text:
            self._text.append(text)
            self.length += len(text)
        if thinking := delta.thinking:
            self._thinking.append(thinking)
            self.length += len(thinking)
        if delta.finish is not None or delta.usage is not None:
            self.usage = delta.usage or self.usage
            if delta.finish == CUT:
                raise refuse("LLM_FAILED", "The model's reply broke off; nothing was charged.")
        return self.length


def messages_of(body: SubmitRequest) -> tuple[Message, ...]:
    """`messages` where given, else the two texts."""
    if body.messages:
        return tuple(Message(m.role, m.content, m.name) for m in body.messages)
    pair = (Message("system", body.system_message), Message("user", body.user_message))
    return tuple(message for message in pair if message.content)


def model_request(body: SubmitRequest, operation: str, config: ModelConfig) -> ModelRequest:
    """The provider's request within the row's caps.

    Raises:
        LunaluxError: INVALID_REQUEST without any message, TOO_LARGE above the cap.
    """
    messages = messages_of(body)
    if not messages:
        raise refuse("INVALID_REQUEST", "The request holds no message.")
    most = config.max_input_chars or DEFAULT_MAX_INPUT_CHARS
    if sum(len(message.content) for message in messages) > most:
        raise refuse("TOO_LARGE", f"The prompt is longer than this model's {most} characters.", limit=most)
    ceiling = config.max_output_tokens or DEFAULT_MAX_OUTPUT_TOKENS
    sampling = Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k or None,
        max_tokens=min(body.max_tokens or ceiling, ceiling),
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        repeat_penalty=body.repeat_penalty or None,
    )
    return ModelRequest(messages, sampling, request_id=operation, language=body.language)


async def stream_model(
    model: ChatModel, request: ModelRequest, reply: PartialReply, timeout_s: float, *, aloud: bool
) -> AsyncGenerator[Piece, None]:
    """Collect the model's words into `reply`; yield them as they come where `aloud`.

    A reply that still streams after `timeout_s` in all is cut there, and what came is the reply: it was
    shown, and is charged.

    Raises:
        LunaluxError: LLM_TIMEOUT of a model that sends nothing more, LLM_FAILED for every other failure.
    """
    alarm, now = _Alarm(timeout_s), asyncio.get_running_loop().time

    def speaking() -> bool:
        return reply.length > 0 and now() - reply.spoke_at < timeout_s * SPEAKING

    try:
        async with aclosing(model.stream(request)) as deltas:
            alarm.arm()
            add = reply.add
            async for delta in deltas:
                reply.spoke_at = now()
                if add(delta) > MAX_REPLY_CHARS:
                    break  # the answer must fit a stored row; what came so far is the reply
                if aloud:
                    # While the reader takes a piece the alarm is off: a slow reader is not a slow model.
                    alarm.disarm()
                    if delta.thinking:
                        yield Piece(thinking=_whole(delta.thinking))
                    if delta.text:
                        yield Piece(text=_whole(delta.text))
                    alarm.arm()
            alarm.disarm()
    except asyncio.CancelledError:
        # Somebody else ended the task, for example the server that shuts down.
        if not alarm.is_the_reason():
            raise
        if not speaking():
            raise _too_slow() from None
    except TimeoutError:
        if not speaking():
            raise _too_slow() from None
    except NetworkError as error:
        raise _failed(error, "LLM_TIMEOUT" if error.code == "MODEL_TIMEOUT" else "LLM_FAILED") from error
    except ProviderError as error:
        raise _failed(error, "LLM_FAILED") from error
    finally:
        alarm.stop()
    if not reply.text.strip():
        raise refuse("LLM_FAILED", "The model sent an empty reply; nothing was charged.")


class _Alarm:
    """One timer for a whole reply; it cancels the task only while that waits for the model.

    A timeout around each of a reply's hundreds of pieces would cost more than all the rest of the gateway.
    """

    def __init__(self, seconds: float) -> None:
        self._over = False
        self._rang = False
        self._waiting: asyncio.Task[object] | None = None
        self._cancels = 0
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def arm(self) -> None:
        """From here on the task waits for the model. Raises TimeoutError when the time is over."""
        if self._over:
            raise TimeoutError
        self._waiting = asyncio.current_task()
        # How often others had asked to cancel by now, to tell theirs from ours.
        self._cancels = self._waiting.cancelling() if self._waiting else 0

    def disarm(self) -> None:
        self._waiting = None

    def _ring(self) -> None:
        self._over = True
        if self._waiting is not None:
            self._rang = True
            self._waiting.cancel()

    def is_the_reason(self) -> bool:
        """Whether the task's cancellation was this alarm's, and nobody else's."""
        task = asyncio.current_task()
        return self._rang and task is not None and task.uncancel() <= self._cancels

    def stop(self) -> None:
        self._timer.cancel()


def _too_slow() -> LunaluxError:
    return refuse("LLM_TIMEOUT", "The model took too long; nothing was charged.")


def _failed(error: LunaluxError, code: str) -> LunaluxError:
    """What the person may know. The provider's own words stay in the log: they may name our account."""
    logger.warning("provider failed: %s", error.message, extra={"code": error.code})
    sentence = "The model took too long" if code == "LLM_TIMEOUT" else "The model could not answer"
    return refuse(code, f"{sentence}; nothing was charged.", reason=error.code)


def _whole(text: str) -> str:
    """`text` without unpaired surrogates, which no JSON answer could carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # UTF-16 also joins a pair that came as two halves.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
