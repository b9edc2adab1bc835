"""What the decoders of all protocols share: splitting, counting, ending a reply.

A decoder turns parsed JSON events into deltas. It knows nothing of HTTP; `http.stream_reply` feeds it,
calls `flush` when nothing more will come for whatever reason, and `end` when the end was a proper one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from lunalux_core.llm.failures import Failures
from lunalux_core.llm.model import Delta, Message, Sampling, Usage
from lunalux_core.llm.thinking import ThinkingSplitter

REPLY_LIMIT = 16 * 1024 * 1024
"""Characters of one reply, reasoning included: a server that never ends is cut off here."""

BLOCKING = frozenset({"content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii"})


class ReplyDecoder:
    """Base of the decoders: subclasses implement `feed` and use `_answer` and `_reasoning`."""

    def __init__(self, failures: Failures, messages: Iterable[Message]) -> None:
        self.failures = failures
        self.finish: str | None = None
        self.usage: Usage | None = None
        self._messages = tuple(messages)
        self._splitter = ThinkingSplitter()
        self._reply = CharCounter()
        self._has_text = False

    def feed(self, event: object) -> Iterator[Delta]:
        """Deltas of one event.

        Raises:
            ProviderError: the event reports a failure, or the reply is longer than the limit.
        """
        raise NotImplementedError

    def flush(self) -> Iterator[Delta]:
        """What was held back to recognise a tag. The text is over, in good order or not."""
        text, thinking = self._splitter.close()
        yield from self._deltas(text, thinking)

    def end(self, complete: bool) -> Delta:
        """The last delta, with usage and reason. `complete`: the protocol's own end mark was seen.

        Raises:
            ProviderError: MODEL_EMPTY_REPLY or MODEL_BLOCKED.
        """
        if self.finish in BLOCKING:
            raise self.failures.blocked(self.finish)
        if not self._has_text:
            raise self.failures.empty(only_thinking=self._reply.total > 0)
        finish = self.finish or ("stop" if complete else "eof")
        return Delta(usage=self.usage or self._estimate(), finish=finish)

    def _answer(self, raw: str) -> Iterator[Delta]:
        text, thinking = self._splitter.feed(raw)
        yield from self._deltas(text, thinking)

    def _reasoning(self, thinking: str) -> Iterator[Delta]:
        yield from self._deltas("", thinking)

    def _deltas(self, text: str, thinking: str) -> Iterator[Delta]:
        if not text and not thinking:
            return
        self._reply.add(thinking)
        self._reply.add(text)
        if self._reply.total > REPLY_LIMIT:
            raise self.failures.bad_answer("the reply does not end")
        self._has_text = self._has_text or bool(text.strip())
        if thinking:
            yield Delta(thinking=thinking)
        if text:
            yield Delta(text=text)

    def _estimate(self) -> Usage:
        prompt = CharCounter()
        for message in self._messages:
            prompt.add(message.content)
        return Usage(prompt.tokens + 4 * len(self._messages), self._reply.tokens, estimated=True)


class CharCounter:
    """Counts characters by kind to estimate tokens offline (FORMATS 7.2, o200k figures)."""

    def __init__(self) -> None:
        self.total = 0
        self._wide = 0

    def add(self, text: str) -> None:
        self.total += len(text)
        if not text.isascii():
            self._wide += sum(1 for char in text if "\u2e80" <= char <= "\uffef" or char >= "\U00020000")

    @property
    def tokens(self) -> int:
        return round(0.98 * self._wide + 0.37 * (self.total - self._wide))


def coalesced(deltas: Iterable[Delta]) -> list[Delta]:
    """Join neighbours that carry only text, or only reasoning: one network read, few steps."""
    joined: list[tuple[Delta, list[str]]] = []
    for delta in deltas:
        plain = delta.usage is None and delta.finish is None and delta.billing is None
        last = joined[-1][0] if joined else None
        if plain and last and last.finish is None and bool(delta.text) == bool(last.text):
            joined[-1][1].append(delta.text or delta.thinking)
        else:
            joined.append((delta, [delta.text or delta.thinking]))
    return [_with_text(first, parts) for first, parts in joined]


def _with_text(first: Delta, parts: list[str]) -> Delta:
    if len(parts) == 1:
        return first
    whole = "".join(parts)
    return replace(first, text=whole) if first.text else replace(first, thinking=whole)


def effective_sampling(spec: Sampling, request: Sampling) -> Sampling:
    """The request's parameters where set, else those saved with the model."""
    chosen = {one.name: getattr(request, one.name) for one in fields(request)}
    return replace(spec, **{name: value for name, value in chosen.items() if value is not None})
