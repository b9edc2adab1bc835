"""llm: the one node that talks to a model, and streams what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.dialogue.assembly.prompt import TextForm
from lunalux_core.dialogue.direction import ReplyBeginning
from lunalux_core.dialogue.output_contract import ContractStream, NamePrefix, own_names
from lunalux_core.dialogue.turn import (
    Billed,
    BindingDropped,
    Completion,
    PicturesNamed,
    PromptRead,
    Ready,
    ReplyCorrection,
    ReplyKept,
    ServerModelChanged,
    Shortened,
    SidePart,
    TextDelta,
    ThinkingDelta,
    TurnEvent,
    TurnInput,
    TurnRequest,
)
from lunalux_core.dialogue.turn_sampling import turn_sampling
from lunalux_core.dialogue.workflow import Node, TurnContext, Workflow
from lunalux_core.errors import ProviderError
from lunalux_core.llm.model import (
    CharacterMaterial,
    CompletionText,
    Delta,
    Finish,
    Message,
    ModelRequest,
    Usage,
)
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.servers.marks import marks
from lunalux_core.llm.tokens import calibrated, estimator
from lunalux_core.text import StreamCleaner

if TYPE_CHECKING:
    from lunalux_core.dialogue.text_reply import ReplyCut, ThoughtFirst


def llm(
    models: Callable[[], Registry], again: Callable[[], Workflow[TurnRequest, Ready]]
) -> Node[Ready, Completion]:
    """`again` gives the nodes that build a prompt from the person's words: one that the server finds too long
    is built once more, for the window that it named."""

    async def node(ready: Ready, context: TurnContext) -> Completion:
        answer = _Answer(ready, context)
        try:
            return await _answered(models(), answer, ready)
        except ProviderError as error:
            # Once something was shown, a second prompt would begin another reply.
            if error.code != "CONTEXT_TOO_LONG" or answer.begun:
                raise
            from lunalux_core.dialogue.shortening import shorter_turn

            shorter = await shorter_turn(models(), ready, error)
            if shorter is None:
                raise
            turn, window = shorter
            told = Shortened(window, int(str(error.params.get("prompt", 0))))
        context.tell(told)
        context.trace.begin_again()
        ready = await again().run(replace(ready.request, turn=turn), context)
        answer = _Answer(ready, context)
        return replace(await _answered(models(), answer, ready), shortened=told)

    return node


async def _answered(models: Registry, answer: _Answer, ready: Ready) -> Completion:
    request = model_request(ready)
    model, asked = ready.request.turn.model, False
    if ready.request.turn.wanted > 1 and models.gives_several(model):
        request = replace(request, choices=ready.request.turn.wanted)
    others: dict[int, _Answer] = {}
    # Closed at once when the turn is stopped: an open stream keeps the server writing.
    async with aclosing(models.open(model).stream(request)) as deltas:
        async for delta in deltas:
            if delta.choice:
                beside = others.setdefault(delta.choice, _Answer(ready, TurnContext()))
                beside.take(delta)
                beside.pass_on(delta.choice, answer)
                continue
            answer.take(delta)
            if answer.begun and not asked:  # not before: nothing delays the first word
                asked = True
                models.refresh(model)
            if answer.over:  # closing the stream tells the server to stop
                break
    if (changed := models.model_changed(model)) is not None:
        answer.told(ServerModelChanged(*changed))
    if (named := _named_pictures(models, ready, request)) is not None:
        answer.told(named)
    first = answer.completion(ready, request.messages)
    return _shared(
        first, [replace(others[place].completion(ready, ()), choice=place) for place in sorted(others)]
    )


def _named_pictures(models: Registry, ready: Ready, request: ModelRequest) -> PicturesNamed | None:
    """The pictures of the last words, where the model was told only what they are called."""
    turn = ready.request.turn
    last = turn.shown or (turn.history[-1].pictures if turn.history else ())
    if not last or turn.kind not in {"normal", "regenerate", "swipe"}:
        return None
    sent = {picture.ref.hash for message in request.messages for picture in message.pictures}
    blind = not models.takes_pictures(turn.model)  # also where it has just refused them
    names = tuple(picture.name for picture in last if blind or picture.hash not in sent)
    return PicturesNamed(names, turn.model.name) if names else None


def _shared(first: Completion, others: Sequence[Completion]) -> Completion:
    """Several replies to one request: its tokens are told once, so each of the others has those of its own
    words, and the first what is left."""
    if not others:
        return first
    written = [reply.usage.completion_tokens for reply in others]
    rest = max(first.usage.completion_tokens - sum(written), 0)
    usage = first.usage if first.usage.estimated else replace(first.usage, completion_tokens=rest)
    own = [
        replace(reply, usage=Usage(0, count, estimated=True), speed=first.speed, token_factor=None)
        for reply, count in zip(others, written, strict=True)
    ]
    return replace(first, usage=usage, others=tuple(own))


def model_request(ready: Ready) -> ModelRequest:
    """What the model is asked when a prompt is ready."""
    turn = ready.request.turn
    return ModelRequest(
        messages=_messages(ready),
        sampling=turn_sampling(turn, ready.prompt.form).sampling,
        request_id=_request_id(turn),
        language=turn.language,
        market_id=turn.character.summary.market_id if turn.character.summary.binding_active else None,
        character=_material(turn),
        extra={"type": turn.kind, "attempt": turn.attempt},
        completion=_completion(ready),
    )


def _messages(ready: Ready) -> tuple[Message, ...]:
    """The messages of the prompt, with the bytes of their pictures."""
    messages = ready.prompt.to_messages()
    data = ready.request.turn.picture_data
    if not data:
        return messages
    from lunalux_core.documents.picture_refs import Attachment

    return tuple(
        replace(
            message,
            pictures=tuple(Attachment(ref, data[ref.hash]) for ref in piece.pictures if ref.hash in data),
        )
        for message, piece in zip(messages, ready.prompt.messages, strict=True)
    )


def _completion(ready: Ready) -> CompletionText | None:
    form = ready.prompt.form
    return CompletionText(ready.prompt.text, form.stop) if form is not None else None


def _request_id(turn: TurnInput) -> str:
    """What the person asked for, once: the reply, or what comes after the part of it that is there.

    A retry has the id of the reply that failed before it.
    """
    if turn.kind != "continue":
        return turn.request
    return f"{turn.request}:{sha256(turn.partial.encode()).hexdigest()[:16]}"


class _Answer:
    """Collects a stream: cleans it, splits it into text and reasoning, and reports both as they come."""

    def __init__(self, ready: Ready, context: TurnContext) -> None:
        self._ready = ready
        self._turn = turn = ready.request.turn
        self._context = context
        self._form = form = ready.prompt.form
        self._beginning, self._thought_begun = _beginning(ready)
        self._told = told_beginning(ready)
        self._cut: ReplyCut | None = None
        self._thought: ThoughtFirst | None = None
        if form is not None:
            from lunalux_core.dialogue.text_reply import ReplyCut, ThoughtFirst

            self._cut = ReplyCut(form.cleaning)
            self._thought = ThoughtFirst(*form.thinking) if turn.kind != "continue" else None
        self._start = form.cleaning.start if form is not None else ""
        self._text_border = StreamCleaner()
        self._thinking_border = StreamCleaner()
        tag_marks = marks(turn.model.options.thinking_marks)
        self._contract = ContractStream(going_on=turn.kind == "continue", thinking=tag_marks)
        self._name = NamePrefix(_names_to_take(turn, form))
        self._raw: list[str] = []
        self._thinking: list[str] = []
        self._usage: Usage | None = None
        self._billing: dict[str, object] | None = None
        self._finish: Finish = "stop"
        self._shape = ""
        self._rate = 0.0
        self._asked = time.monotonic()
        self._first: float | None = None

    def take(self, delta: Delta) -> None:
        if self._first is None and (delta.text or delta.thinking):
            self._first = time.monotonic()
        if delta.progress is not None:
            self._context.tell(PromptRead(delta.progress.done, delta.progress.total))
        if delta.thinking:
            if self._thought_begun and not self._raw:  # the server files it apart, so no mark closes it
                self._beginning = None
            self._think(self._thinking_border.feed(delta.thinking))
        if delta.turned:
            self._thinking_border.flush()
            # All that came as reasoning was the reply: the server sends it again as text.
            self._thinking.clear()
            self._context.tell(ReplyCorrection("", ""))
        if delta.text:
            self._say(self._text_border.feed(delta.text))
        self._usage = delta.usage or self._usage
        if delta.finish is not None:
            self._finish, self._shape, self._rate = delta.finish, delta.shape, delta.speed
        if delta.billing is not None:
            self._bill(dict(delta.billing))

    def told(self, event: TurnEvent) -> None:
        self._context.tell(event)

    def pass_on(self, choice: int, first: _Answer) -> None:
        """Tell what came of this reply, the `choice`-th, along with the first one."""
        for event in self._context.told():
            if isinstance(event, TextDelta | ThinkingDelta | ReplyCorrection):
                first.told(SidePart(choice, event))

    @property
    def begun(self) -> bool:
        """Whether anything of the reply has come."""
        return self._first is not None

    @property
    def over(self) -> bool:
        """Whether the reply has ended although the model goes on."""
        return self._cut is not None and self._cut.over

    def completion(self, ready: Ready, messages: tuple[Message, ...]) -> Completion:
        self._think(self._thinking_border.flush())
        self._say(self._text_border.flush())
        if self._thought is not None:
            self._pass(self._thought.flush())
        if self._beginning is not None:
            self._keep(self._beginning.flush())
        if self._cut is not None:
            self._keep(self._cut.flush())
        self._show(*self._contract.close())
        self._tell_text(self._name.flush())
        self._tell_visible(self._told.flush() if self._told is not None else "")
        text = self._cleaned("".join(self._raw))
        usage = self._usage
        count = estimator(self._turn.model.model, self._turn.token_factor)
        factor = None
        if self._form is not None:
            estimated = count.text(ready.prompt.text)
        else:
            estimated = sum(count.message(m.content) for m in messages)
            estimated += sum(picture.ref.tokens for m in messages for picture in m.pictures)
        if usage is None:
            usage = Usage(estimated, count.text(text), estimated=True)
        # Pictures count differently with each server and would spoil the factor for texts.
        elif not usage.estimated and usage.prompt_tokens and not any(m.pictures for m in messages):
            # The server counted: what our estimate was off by is remembered for this model.
            factor = calibrated(self._turn.token_factor, estimated, usage.prompt_tokens)
            if self._turn.counts is not None and self._form is None and not self._shape:
                texts = [message.content for message in messages]
                self._turn.counts.learn_frame(texts, usage.prompt_tokens)
        thinking = "".join(self._thinking)
        if thinking and not usage.thinking_tokens:  # few servers count it apart
            usage = replace(usage, thinking_tokens=min(count.text(thinking), usage.completion_tokens))
        return Completion(
            ready, text, thinking, usage, self._billing, factor, self._finish, self._shape, self._speed(usage)
        )

    def _speed(self, usage: Usage) -> dict[str, float]:
        """Seconds to the first token, and tokens a second after it."""
        now = time.monotonic()
        first = self._first or now
        rate = self._rate or (usage.completion_tokens / (now - first) if now > first else 0.0)
        return {"first_token_s": round(first - self._asked, 3), "tokens_per_s": round(rate, 2)}

    def _cleaned(self, text: str) -> str:
        """The reply to a text prompt without stop strings and turns of other speakers."""
        if self._form is None:
            return text
        from lunalux_core.dialogue.text_reply import cleaned_reply

        cleaning = replace(self._form.cleaning, start="")
        text, kept = cleaned_reply(text, cleaning, going_on=self._turn.kind == "continue")
        if kept:
            self._context.tell(ReplyKept())
        return text

    def _say(self, text: str) -> None:
        if self._form is None:
            self._keep(self._beginning.feed(text) if self._beginning is not None else text)
            return
        if self._thought is not None and text:
            text, thinking = self._thought.feed(text)
            self._think(thinking)
        self._pass(text)

    def _pass(self, text: str) -> None:
        # The template has sent it to the model, so it is part of the reply that nobody has seen yet.
        if text and self._start:
            text, self._start = self._start + text, ""
        self._keep(self._cut.feed(text) if self._cut is not None and text else text)

    def _keep(self, text: str) -> None:
        if text:
            self._raw.append(text)
            self._show(*self._contract.feed(text))

    def _show(self, visible: str, thinking: str) -> None:
        # Only now is it known that the text so far was reasoning: both are told anew, names and beginning
        # taken off again.
        if self._contract.turned:
            self._contract.turned = False
            read = self._contract.reply()
            self._name = NamePrefix(own_names(self._turn))
            thought = "\n\n".join(thought for thought in ("".join(self._thinking), read.thinking) if thought)
            self._told = told_beginning(self._ready)
            shown = self._name.feed(read.text)
            self._context.tell(ReplyCorrection(self._told.feed(shown) if self._told else shown, thought))
            return
        if thinking:
            self._context.tell(ThinkingDelta(thinking))
        if visible:
            self._tell_text(self._name.feed(visible))

    def _tell_text(self, text: str) -> None:
        self._tell_visible(self._told.feed(text) if self._told is not None else text)

    def _tell_visible(self, text: str) -> None:
        if text:
            self._context.tell(TextDelta(text))

    def _think(self, text: str) -> None:
        if text:
            self._thinking.append(text)
            self._context.tell(ThinkingDelta(text))

    def _bill(self, billing: dict[str, object]) -> None:
        # Wallet and ledger are the account's and change at once; the message keeps what it cost.
        wallet = billing.pop("wallet", None)
        ledger = billing.pop("ledgerSummary", None)
        if billing.pop("deactivateBinding", False):
            self._context.tell(BindingDropped(self._turn.character.id))
        self._billing = billing
        self._context.tell(
            Billed(
                str(billing.get("method", "")),
                int(str(billing.get("cost", 0))),
                str(billing.get("modelId", "")),
                wallet if isinstance(wallet, dict) else {},
                ledger if isinstance(ledger, dict) else None,
            )
        )


def _beginning(ready: Ready) -> tuple[ReplyBeginning | None, bool]:
    """What the model goes on from, and whether that is a thought: its mark is always part of the reply, else
    the two could not be told apart."""
    begun = ready.beginning
    if begun is None or begun.told:
        return None, False
    thinking = marks(ready.request.turn.model.options.thinking_marks)
    thinks = any(begun.text.lstrip().lower().startswith(opening) for opening, _ in thinking.openings)
    return ReplyBeginning(begun.text, shown=begun.shown or thinks, told=False), thinks


def told_beginning(ready: Ready) -> ReplyBeginning | None:
    """The beginning that the model was told to write, None where it goes on from one or has none."""
    begun = ready.beginning
    return ReplyBeginning(begun.text, shown=begun.shown, told=True) if begun and begun.told else None


def _names_to_take(turn: TurnInput, form: TextForm | None) -> tuple[str, ...]:
    """Names that are taken from the beginning of a reply; a base model writes the writer's again."""
    if form is None or turn.kind == "continue":
        return own_names(turn)
    names = form.cleaning.names
    return (names.user,) if turn.kind == "impersonate" else (names.char, turn.character.name)


def _material(turn: TurnInput) -> CharacterMaterial:
    card = turn.card
    return CharacterMaterial(
        name=card.nickname or turn.character.name,
        user=turn.user,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        greeting=card.first_mes,
        examples=card.mes_example,
    )
