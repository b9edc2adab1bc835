"""What the decoders of all protocols share: splitting, counting, ending a reply.

A decoder turns parsed JSON events into deltas. It knows nothing of HTTP; `http_call.stream_reply` feeds it,
calls `flush` when nothing more will come for whatever reason, and `end` when the end was a proper one. What
an event says is read in `events`, for every dialect alike.

See docs/spec/formats.md: Context and token counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from lunalux_core.errors import LunaluxError
from lunalux_core.llm.model import Delta, Finish, Message, Sampling, Usage
from lunalux_core.llm.servers.events import ContentKind, EventContent, finish_of, is_busy, read_event
from lunalux_core.llm.servers.marks import Marks
from lunalux_core.llm.servers.reports import ServerReport, read_report
from lunalux_core.llm.servers.server_failures import Failures
from lunalux_core.llm.servers.thinking import ThinkingSplitter
from lunalux_core.llm.tokens import TokenEstimator, wide_characters

REPLY_LIMIT = 16 * 1024 * 1024
"""Characters of one reply, reasoning included: a server that never ends is cut off here."""


class ReplyDecoder:
    """Turns the events of one reply into deltas. `marks` are those of the model's thinking.

    Of several `choices` each has a decoder of its own below this one, which is the first's.
    """

    def __init__(
        self,
        failures: Failures,
        messages: Iterable[Message],
        marks: Marks | None = None,
        choices: int = 1,
    ) -> None:
        self.failures = failures
        self._others = {place: ReplyDecoder(failures, (), marks) for place in range(1, choices)}
        self.finish: Finish | None = None
        self.finished_alone = False
        """Whether the reason to finish came by itself, or with a whole message: some servers send one along
        with every piece."""
        self.echo = ""
        """What of the reply was there before: taken away where a server says it again at the beginning."""
        self.timed = False
        """Whether the server told its times, as llama.cpp does."""
        self.over = False
        """Whether the server has said that nothing more will come."""
        self.usage: Usage | None = None
        self.gaps = False
        """Whether a piece of the reply could not be read."""
        self._held = ""
        self._word = ""
        self._finishes = 0
        self._notice = ""
        self._messages = tuple(messages)
        self._splitter = ThinkingSplitter(marks)
        self._reply = CharCounter()
        self._has_text = False
        self._came: dict[ContentKind, list[str]] = {"text": [], "thinking": []}
        self._thought: list[str] = []

    def feed(self, event: object) -> Iterator[Delta]:
        """Deltas of one event.

        Raises:
            ProviderError: the event reports a failure, or the reply is longer than the limit; after what the
                event says besides.
        """
        if self._others:
            yield from self._feed_others(event)
        said = read_event(event)
        self.timed = self.timed or said.timed
        if said.usage is not None:
            self.usage = said.usage if self.usage is None else _joined(self.usage, said.usage)
        self.over = self.over or said.over
        if said.progress is not None:
            yield Delta(progress=said.progress)
        if said.parts:
            for kind, text in self._new(said) if said.whole else said.parts:
                if not text:
                    continue
                self._came[kind].append(text)
                yield from self._answer(text) if kind == "text" else self._reasoning(text)
        self._notice = said.notice or self._notice
        if said.refusal is not None and self._finished:
            return
        if said.finish or said.blocked:
            self._finishes += 1
            self.finish = "filtered" if said.blocked else finish_of(said.finish)
            self._word = said.blocked or said.finish
            self.finished_alone = said.whole or not said.parts
        if said.refusal is not None:
            raise self.failures.refusal(read_report(said.refusal, None, {}))

    @property
    def _finished(self) -> bool:
        """Whether the reply is there and its end was told, so that a failure after it takes nothing away."""
        # A server that tells a reason with every piece has not told the end.
        told = self.finished_alone or len(self._came["text"]) > self._finishes
        return self.finish in {"stop", "length", "tool"} and bool(self._came["text"]) and told

    @property
    def ended(self) -> bool:
        """Whether the server has told of every choice why it ended."""
        return self.finish is not None and all(reply.ended for reply in self._others.values() if reply.spoke)

    @property
    def spoke(self) -> bool:
        """Whether anything came."""
        return any(self._came.values())

    def _feed_others(self, event: object) -> Iterator[Delta]:
        """What an event says of the choices after the first."""
        choices = event.get("choices") if isinstance(event, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            place = choice.get("index") if isinstance(choice, dict) else None
            if isinstance(place, int) and (other := self._others.get(place)) is not None:
                # Handed on as the only choice of an event, so usage and failures stay with the first decoder.
                for delta in other.feed({"object": "", "choices": [{**choice, "index": 0}]}):
                    yield replace(delta, choice=place)

    def flush(self) -> Iterator[Delta]:
        """What was held back to recognise a tag. The text is over, in good order or not."""
        for place, other in self._others.items():
            for delta in other.flush():
                yield replace(delta, choice=place)
        # Too short to be decided, and now there is no more: it was the reply's own text.
        pending, self._held = self._held, ""
        text, thinking = self._splitter.feed(pending)
        yield from self._deltas(text, thinking)
        text, thinking = self._splitter.close()
        yield from self._deltas(text, thinking)

    def end(self, complete: bool) -> Iterator[Delta]:
        """The last deltas, with usage and reason. `complete`: the protocol's own end mark was seen.

        Raises:
            ProviderError: MODEL_EMPTY_REPLY, MODEL_BLOCKED, or MODEL_SERVER_ERROR where the server was busy.
        """
        finish = self.finish or ("stop" if complete else "cut")
        for place, other in self._others.items():
            if other.spoke:
                yield Delta(finish=other.finish or ("stop" if complete else "cut"), choice=place)
        if not self._has_text:
            whole = "".join(self._thought)
            if finish != "stop" or not whole.strip():
                raise self._nothing(finish)
            # It ended by itself and said nothing else: servers file a whole reply as reasoning.
            yield Delta(text=whole, turned=True)
        yield Delta(usage=self._counted(), finish="cut" if finish == "stop" and self.gaps else finish)

    def _nothing(self, finish: Finish) -> LunaluxError:
        if finish == "filtered":
            return self.failures.blocked(self._word)
        if self._notice and not self._word:
            return self.failures.empty("cut", self._notice)
        if is_busy(self._word):
            return self.failures.refusal(ServerReport(self._word, status=503))
        thought = any(text.strip() for text in self._thought)
        return self.failures.empty(finish, self._word if finish == "cut" else "", only_thinking=thought)

    def _new(self, said: EventContent) -> Iterator[tuple[ContentKind, str]]:
        """What a whole message adds to the pieces that came before it: nothing, as a rule."""
        for kind in ("thinking", "text"):
            whole = "".join(text for part_kind, text in said.parts if part_kind == kind)
            if not self._came[kind]:
                yield kind, whole
                continue
            # A server that streams and then repeats the whole message may differ in its leading blanks.
            before = "".join(self._came[kind]).lstrip()
            if (trimmed := whole.lstrip()).startswith(before):
                yield kind, trimmed[len(before) :]

    def _answer(self, raw: str) -> Iterator[Delta]:
        if self.echo:
            raw = self._without_echo(raw)
        text, thinking = self._splitter.feed(raw)
        yield from self._deltas(text, thinking)

    def _without_echo(self, raw: str) -> str:
        """The reply without what it repeats; held back as long as it may be a repetition."""
        self._held += raw
        # It may still turn out to be the same text: nothing is shown before that is decided.
        if len(self._held) < len(self.echo) and self.echo.startswith(self._held):
            return ""
        text, self._held, echo, self.echo = self._held, "", self.echo, ""
        return text.removeprefix(echo)

    def _reasoning(self, thinking: str) -> Iterator[Delta]:
        yield from self._deltas("", thinking)

    def _deltas(self, text: str, thinking: str) -> Iterator[Delta]:
        if not text and not thinking:
            return
        self._reply.add(thinking)
        self._reply.add(text)
        # After the text was counted and before it is handed on, so no caller ever holds more than the
        # limit.
        if self._reply.total > REPLY_LIMIT:
            raise self.failures.bad_answer("the reply does not end")
        if text and not self._has_text:
            self._has_text = bool(text.strip())
        if thinking:
            self._thought.append(thinking)
            yield Delta(thinking=thinking)
        if text:
            yield Delta(text=text)

    def _counted(self) -> Usage:
        """The server's counts; estimates for what it does not count, or counts as nothing."""
        told = self.usage or Usage()
        if told.prompt_tokens and told.completion_tokens:
            return told
        guess = self._estimate()
        return replace(
            told,
            prompt_tokens=told.prompt_tokens or guess.prompt_tokens,
            completion_tokens=told.completion_tokens or guess.completion_tokens,
            estimated=True,
        )

    def _estimate(self) -> Usage:
        prompt = sum(
            TokenEstimator().message(message.content)
            + sum(picture.ref.tokens for picture in message.pictures)
            for message in self._messages
        )
        return Usage(prompt, self._reply.tokens, estimated=True)


def _joined(before: Usage, now: Usage) -> Usage:
    """Counts of one reply in two events: they only grow, and some servers count the prompt in the first event
    and the reply in the last."""
    return Usage(
        max(before.prompt_tokens, now.prompt_tokens),
        max(before.completion_tokens, now.completion_tokens),
        cached_tokens=max(before.cached_tokens, now.cached_tokens),
        thinking_tokens=max(before.thinking_tokens, now.thinking_tokens),
        cost=before.cost if now.cost is None else now.cost,
    )


class CharCounter:
    """Counts characters by kind as they come, to estimate the tokens of a reply."""

    def __init__(self) -> None:
        self.total = 0
        self._wide = 0

    def add(self, text: str) -> None:
        self.total += len(text)
        self._wide += wide_characters(text)

    @property
    def tokens(self) -> int:
        return TokenEstimator().of_counts(self._wide, self.total)


def coalesced(deltas: Iterable[Delta]) -> list[Delta]:
    """Join neighbours that carry only text, or only reasoning: one network read, few steps."""
    joined: list[tuple[Delta, list[str]]] = []
    for delta in deltas:
        plain = delta.usage is None and delta.finish is None and delta.billing is None and not delta.turned
        plain = plain and delta.progress is None
        last = joined[-1][0] if joined else None
        if (
            plain
            and last
            and last.finish is None
            and last.progress is None
            and last.choice == delta.choice
            and bool(delta.text) == bool(last.text)
        ):
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
    chosen = {field.name: getattr(request, field.name) for field in fields(request)}
    return replace(spec, **{name: value for name, value in chosen.items() if value is not None})
