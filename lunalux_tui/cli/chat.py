"""`lunalux chat`: the app at a character, or one turn streamed to stdout.

See docs/spec/formats.md: Regex script files.
See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from lunalux_core.diagnostics.redaction import without_password
from lunalux_core.dialogue.turn import (
    Billed,
    PicturesNamed,
    PluginFailed,
    ProfileLacks,
    PromptRead,
    ReplyCorrection,
    ReplyKept,
    ScriptSkipped,
    ServerModelChanged,
    Shortened,
    SideReply,
    TemplateFailed,
    TextDelta,
    TextsCut,
    TurnCompleted,
    TurnEvent,
    TurnKind,
    TurnOptions,
    TurnStarted,
    WorldbookOverflowed,
)
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound, PaymentError
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.llm.parameters import read_pairs
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.after_reply import remember_turn
from lunalux_tui.cli.chat_options import MOST_REPLIES, ChatOptions, refuse_together
from lunalux_tui.cli.run import ask, with_runtime
from lunalux_tui.cli.stdin import input_text
from lunalux_tui.i18n import in_a_list, note, t

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import Attachment
    from lunalux_core.library.groups import Group

chat_app = typer.Typer(add_completion=False)
commands = {"chat": chat_app}


@chat_app.command()
def chat(
    character: str = typer.Argument(help="Name or id of a character, or of a group."),
    message: str = typer.Option("", "-m", "--message", help="Say this and print the reply."),
    conversation: str = typer.Option("", help="Id of the conversation to go on with."),
    new: bool = typer.Option(False, "--new", help="Start a new conversation."),
    model: str = typer.Option(
        "", help="A saved one, openai:MODEL, anthropic:MODEL, gemini:MODEL or practice."
    ),
    official: str = typer.Option("", metavar="MODEL_ID", help="An official model, paid through the wallet."),
    user: str = typer.Option("", help="What the character calls you."),
    preset: str = typer.Option("", help="Name of a preset."),
    profile: str = typer.Option("", help="Name of a profile, for what this turn does not name itself."),
    speaker: str = typer.Option("", help="In a group: the member who answers, instead of its order."),
    show_prompt: bool = typer.Option(
        False, "--show-prompt", help="Print the exact messages that would be sent, and send nothing."
    ),
    show_request: bool = typer.Option(
        False, "--show-request", help="Print the exact request as JSON, keys as ***, and send nothing."
    ),
    set_: list[str] = typer.Option(
        [],
        "--set",
        metavar="NAME=VALUE",
        help="A parameter of the request, for this turn alone (docs/parameters.md).",
    ),
    continue_: bool = typer.Option(False, "--continue", help="Let the last reply go on."),
    regenerate: bool = typer.Option(
        False, "--regenerate", help="Ask for the last reply again; the old one stays as a swipe."
    ),
    impersonate: bool = typer.Option(
        False, "--impersonate", help="Print what you might say next; a message is taken as its outline."
    ),
    person: Literal["first", "second", "third"] | None = typer.Option(
        None, help="With --impersonate: first (I), second (you) or third (she); else as the preset has it."
    ),
    instruction: str = typer.Option(
        "", metavar="TEXT", help="Tell the model this once; it is not kept in the history."
    ),
    start_with: str | None = typer.Option(
        None, "--start-with", metavar="TEXT", help="What the reply begins with."
    ),
    replies: int = typer.Option(
        1, metavar="N", min=1, max=MOST_REPLIES, help="Make several replies; all are kept as swipes."
    ),
    image: list[Path] = typer.Option(
        [],
        "--image",
        metavar="PATH",
        help="A picture that goes with the message; may be given several times.",
    ),
    no_reply: bool = typer.Option(False, "--no-reply", help="Only store the message; nobody answers."),
    as_: str | None = typer.Option(None, "--as", metavar="NAME", help="The message is a line of NAME's."),
    narrator: bool = typer.Option(False, "--narrator", help="The message is a line of the narrator's."),
    accept_price: bool = typer.Option(
        False, "--accept-price", help="Pay the price of today, also where it is dearer than the one you know."
    ),
    remember: bool | None = typer.Option(
        None,
        "--remember/--no-remember",
        help="Write memories and trackers that are due once the reply is printed; else on a terminal alone.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Talk with a character.

    On a terminal this opens the app. With a message (or text on stdin) it runs one turn and prints the reply:

        lunalux chat Mira -m "Good evening" --model openai:gpt-4o-mini

    In a group those whose turn it is answer one after another; --speaker without a message lets one speak.

    An --instruction goes to the model once and is not kept. --as and --narrator say whose line the message
    is; with --no-reply it is stored and nobody answers: its JSON has the fields of a reply, and "role" and
    "name". --replies adds "replies" to the JSON; the first of them is shown, the others are swipes.
    """
    kinds: dict[TurnKind, bool] = {
        "continue": continue_,
        "regenerate": regenerate,
        "impersonate": impersonate,
    }
    flags = ChatOptions(
        message,
        tuple(kind for kind, given in kinds.items() if given),
        instruction,
        start_with,
        replies,
        no_reply,
        as_,
        narrator,
        show_prompt or show_request,
        bool(image),
        person or "",
    )
    # The other kinds need no message, and the input of a script may never end.
    if not message and not flags.kinds and not sys.stdin.isatty():
        message = input_text().strip()
        flags = replace(flags, message=message)
    flags.check()
    refuse_together(
        {
            "--official": bool(official),
            "--model": bool(model),
            "--new": new,
            "--conversation": bool(conversation),
            "--show-prompt": show_prompt,
            "--show-request": show_request,
        },
        (("--official", "--model"), ("--new", "--conversation"), ("--show-prompt", "--show-request")),
    )
    silent = no_reply or as_ is not None or narrator
    if message and not message.strip() and not (flags.kinds or image):
        raise _no_message()
    if not (message or flags.kinds or image) and (silent or not (flags.show or speaker)):
        # Without a message the app is meant, which needs a terminal at both ends.
        if sys.stdin.isatty() and sys.stdout.isatty() and not (silent or instruction or replies > 1):
            from lunalux_tui.app.start import run

            raise typer.Exit(run(character=character, conversation=conversation, new=new))
        raise _no_message()
    given = TurnOptions(
        model=f"official:{official}" if official else model,
        preset=preset,
        user_name=user,
        speaker=speaker,
        parameters=read_pairs(set_),
        direction=flags.direction,
        voice=flags.voice,
        replies=replies,
        profile=profile,
    )

    async def one_turn(runtime: Runtime, begun: str = "") -> _PriceRise | None:
        options = await _with_preset(runtime, _with_model(runtime, given))
        if image:
            options = replace(options, pictures=await _pictures(image))
        await runtime.first_start()
        # What a killed program left half written belongs to the story before anything is added to it.
        await runtime.chat.recover(output.journal_damaged)
        # The second run goes on in the conversation that the first one made.
        where = begun or conversation
        place = await _conversation(runtime, character, where, speaker, new=new and not begun, user=user)
        # A line that is only stored needs nobody to answer it.
        if not no_reply:
            await _check_speaker(runtime, place, options, flags)
        # The second run is the same turn, of which this was told before.
        if not begun:
            await _tell_of_scripts(runtime, place)
        if image:
            await _look_for_eyes(runtime, place, options)
        if show_request:
            await _show_request(runtime, place, flags, options)
        elif show_prompt:
            await _show_prompt(runtime, place, flags, options, as_json=as_json)
        elif no_reply:
            await _store(runtime, place, message, options, as_json=as_json)
        else:
            paid = await _model_name(runtime, place, options)
            # There is a second run only after a yes.
            rise = await dearer(runtime, paid, accept_price or bool(begun))
            if rise is not None:
                return _PriceRise(place.id, rise)
            turn = await _begin(runtime, place, flags, options)
            await _turn(place, turn, as_json=as_json, replies=replies)
            # A reader of a pipe waits until the command has ended, so there it is done when asked for.
            if (sys.stdout.isatty() and not as_json) if remember is None else remember:
                await remember_turn(runtime, place.id)
        return None

    # The question is asked between two runs of the event loop, where ctrl+c ends it at once.
    asked = with_runtime(one_turn)
    if asked is not None:
        question = f"{output.sentence(asked.error)[0]} {t('cli.price_question')}"
        ask(question, unasked=asked.error, left="nothing_sent")
        with_runtime(lambda runtime: one_turn(runtime, asked.conversation))


def _no_message() -> InvalidInput:
    return InvalidInput(
        "USAGE", "There is no message to send.", "Give one with -m, or on stdin.", kind="message"
    )


@dataclass(frozen=True, slots=True)
class _PriceRise:
    """A turn that waits for a word of the person, as it costs more than they know of."""

    conversation: str
    error: PaymentError


def _with_model(runtime: Runtime, options: TurnOptions) -> TurnOptions:
    """The options with the whole name of the model; one that is not found is told by the turn, which stores
    the words first.
    """
    with suppress(NotFound):
        if options.model:
            return replace(options, model=runtime.models.named(options.model).name)
    return options


async def _with_preset(runtime: Runtime, options: TurnOptions) -> TurnOptions:
    """The options with what the name of the preset means. Raises NotFound (PRESET_NOT_FOUND)."""
    if not options.preset:
        return options
    from lunalux_tui.cli.preset import find_preset

    preset = await find_preset(runtime, options.preset)
    return replace(options, preset=preset if isinstance(preset, str) else preset.id)


async def _model_name(runtime: Runtime, place: Conversation, options: TurnOptions) -> str:
    """The model of the turn, as far as it is known before it begins."""
    if options.model:
        return options.model
    with suppress(LunaluxError):  # the turn itself tells it, with the words stored
        choice = await runtime.chat.previews.choice(place.id, options=options)
        return choice.model.name
    return runtime.settings.model


async def dearer(runtime: Runtime, model: str, accept: bool) -> PaymentError | None:
    """The price of a reply that costs more than the person knows of, and that they did not accept:
    PRICE_CHANGED; nothing was stored and nothing charged.
    """
    if not model.startswith("official:"):
        return None
    account, model_id = runtime.account, model.partition(":")[2]
    with suppress(LunaluxError):  # the turn itself tells it, with the words stored
        await account.ensure()
    try:
        account.prices.check(model_id)
    except PaymentError as error:
        if not accept:
            return error
        await account.prices.agree(model_id)
    return None


async def _conversation(
    runtime: Runtime, character: str, conversation: str, speaker: str, *, new: bool, user: str
) -> Conversation:
    """The conversation to go on with; that of a group by its own name or a member's."""
    from lunalux_core.library.addressee import whom
    from lunalux_core.library.groups import Group

    target = await whom(runtime.library, character)
    if isinstance(target, Group):
        return await _group_conversation(runtime, target, conversation, new=new, user=user)
    if conversation:
        place = await runtime.library.conversations.named(conversation)
        joined = place.group_id and (await runtime.library.groups.get(place.group_id)).member(target.id)
        if place.character_id != target.id and not joined:
            raise _of_another(conversation, target.name, target.id)
        return place
    if speaker:
        raise _not_a_group()
    if new:
        return await runtime.chat.start(target.id, user_name=user)
    return await runtime.chat.open(target.id)


async def _group_conversation(
    runtime: Runtime, group: Group, conversation: str, *, new: bool, user: str
) -> Conversation:
    if conversation:
        place = await runtime.library.conversations.named(conversation)
        if place.group_id != group.id:
            raise _of_another(conversation, group.name, "")
        return place
    if new:
        return await runtime.chat.start_group(group.id, user_name=user)
    return await runtime.chat.open_group(group.id)


def _of_another(conversation: str, name: str, identity: str) -> InvalidInput:
    return InvalidInput(
        "CONVERSATION_OF_ANOTHER",
        f"Conversation {conversation} is not one of {name}'s.",
        f"`lunalux conversation list {identity}".rstrip() + "` shows theirs.",
        conversation=conversation,
        name=name,
    )


def _not_a_group() -> InvalidInput:
    return InvalidInput(
        "NOT_A_GROUP", "Only a group has members that can be asked to speak.", "Leave out --speaker."
    )


async def _check_speaker(
    runtime: Runtime, place: Conversation, options: TurnOptions, flags: ChatOptions
) -> None:
    """Refuse a message that nobody would answer. Raises InvalidInput (NOT_A_GROUP, SPEAKER_NEEDED)."""
    if not place.group_id:
        if options.speaker:
            raise _not_a_group()
        return
    group = await runtime.library.groups.get(place.group_id)
    if (
        flags.kind == "normal"
        and not options.speaker
        and (group.order == "manual" or all(member.muted for member in group.members))
    ):
        raise InvalidInput(
            "SPEAKER_NEEDED",
            f"Nobody in {group.name} answers unasked.",
            "Name who is to answer with --speaker.",
            group=group.name,
        )


async def _tell_of_scripts(runtime: Runtime, place: Conversation) -> None:
    """Name the cards whose scripts wait for a word of the person; on stderr."""
    from lunalux_core.chat.card_scripts import scripts_of_cards

    for card in await scripts_of_cards(runtime.library, place.id):
        if card.allowed is None:
            output.say("scripts_unasked", name=card.name, id=card.character_id, n=len(card.scripts))


async def _pictures(paths: list[Path]) -> tuple[Attachment, ...]:
    """The pictures to send; nothing is stored before all of them can be read."""
    from lunalux_core.library.message_pictures import attachment_of

    return tuple([await attachment_of(path) for path in paths])


async def _look_for_eyes(runtime: Runtime, place: Conversation, options: TurnOptions) -> None:
    """Ask a server that nobody has asked yet whether its model takes pictures."""
    with suppress(LunaluxError):  # the turn itself tells it, with the words stored
        spec = (await runtime.chat.previews.choice(place.id, options=options)).model
        if runtime.models.facts(spec) is None:
            await runtime.models.look(spec)


async def _begin(
    runtime: Runtime, place: Conversation, flags: ChatOptions, options: TurnOptions
) -> AsyncGenerator[TurnEvent, None]:
    """The turn that is asked for. Raises InvalidInput (NOTHING_TO_REGENERATE)."""
    chat = runtime.chat
    if flags.kind == "continue":
        return chat.continue_(place.id, options)
    if flags.kind == "impersonate":
        return chat.impersonate(place.id, options)
    if flags.kind == "regenerate":
        if not place.head_id:
            raise InvalidInput(
                "NOTHING_TO_REGENERATE", "There is no message to answer.", "Send something first."
            )
        return chat.regenerate(place.head_id, options)
    if flags.words or options.pictures:
        return chat.send(place.id, flags.words, options)
    return chat.speak(place.id, options)


async def _store(
    runtime: Runtime, place: Conversation, message: str, options: TurnOptions, *, as_json: bool
) -> None:
    """Store a line that nobody answers; its JSON has the names of a reply's."""
    line, told = await runtime.chat.say(place.id, message, options)
    notices = Notices()
    for event in told:
        notices.take(event)
    notices.end()
    if as_json:
        output.print_json(
            {**_reply(line, place, "", None), "model": None, "role": line.role, "name": line.name}
        )
    else:
        output.say("line_stored", name=line.name)


class Notices:
    """What went otherwise than it was meant and did not end the turn, told on stderr."""

    def __init__(self) -> None:
        self._skipped: dict[str, str] = {}

    def take(self, event: TurnEvent) -> None:
        match event:
            case PluginFailed():
                output.say("warning", text=event.message)
            case ScriptSkipped():
                # The same script may be skipped in many messages.
                self._skipped.setdefault(event.script, event.reason)
            case WorldbookOverflowed():
                output.say("book_overflow", n=event.entries, budget=event.budget)
            case TemplateFailed():
                output.warn(event.error)
            case PromptRead():
                output.passing("reading", percent=event.done * 100 // event.total)
            case ServerModelChanged():
                output.say("server_changed", before=event.before, now=event.now or "-")
            case TextsCut():
                output.say("texts_cut", names=in_a_list(event.names), window=f"{event.window:,}")
            case Shortened():
                output.say("window_learnt", window=f"{event.window:,}")
            case ReplyKept():
                output.say("reply_kept")
            case PicturesNamed():
                output.say("pictures_named", model=event.model, names=in_a_list(event.names))
            case ProfileLacks():
                gap = event.gap
                output.say(f"profile_lacks_{gap.part}", profile=gap.profile, name=gap.name)

    def end(self) -> None:
        """Of scripts that were skipped one is named for all."""
        if self._skipped:
            name, reason = next(iter(self._skipped.items()))
            output.say("scripts_skipped", n=len(self._skipped), name=name, reason=note(reason))


async def _turn(
    place: Conversation, turn: AsyncGenerator[TurnEvent, None], *, as_json: bool, replies: int
) -> None:
    billing: dict[str, Any] | None = None
    paid: Billed | None = None
    model = ""
    printed = _PrintedReply()
    rows: list[dict[str, Any]] = []
    notices = Notices()
    # Left early, by ctrl+c, the turn is closed here and not whenever Python collects it: it keeps what came.
    async with aclosing(turn) as events:
        async for event in events:
            match event:
                case TurnStarted():
                    model, billing = event.model, None
                    if not as_json:
                        printed.begin(event.reply.name if place.group_id and event.reply is not None else "")
                case TextDelta() if not as_json:
                    printed.say(event.text)
                case ReplyCorrection() if not as_json:
                    printed.again(event.text)
                case Billed():
                    paid = event
                    billing = {"method": event.method, "cost": event.cost, "modelId": event.model_id}
                case TurnCompleted(message=None) if as_json:
                    rows.append(_impersonated(place, event.text, model, billing))
                case TurnCompleted(message=reply) | SideReply(message=reply) if reply is not None:
                    if as_json:
                        rows.append(_reply(reply, place, model, billing))
                    elif isinstance(event, SideReply):
                        printed.end()
                        output.print_text(f"\n--- {event.number}/{event.of}")
                        printed.say(reply.content)
                    # What was paid belongs to this reply; the next member's has a price of its own.
                    billing = None
                    if reply.finish in {"length", "cut", "filtered", "tool"}:
                        printed.end()
                        output.say(f"ended_{reply.finish}")
                case _:
                    notices.take(event)
    notices.end()
    if as_json and rows:
        several = place.group_id or replies > 1
        # Of several swipes the first is the one that is shown; of a group's replies the last ends the turn.
        shown = rows[0] if replies > 1 else rows[-1]
        output.print_json({**shown, "replies": rows} if several else shown)
    printed.end()
    if paid is not None and paid.method in ("star", "luna"):
        left = paid.wallet.get(f"{paid.method}Coin", "?")
        output.say("paid", price=t(f"status.cost.{paid.method}", cost=paid.cost), left=left)


class _PrintedReply:
    """What of a reply is on stdout. `begun`: its line has not been ended yet."""

    def __init__(self) -> None:
        self.begun = False
        self._shown = ""
        self._void = False

    def begin(self, name: str = "") -> None:
        """Another reply begins; in a group on a line of its own, with its speaker."""
        self._shown, self._void = "", False
        if name:
            self.end()
            output.print_text(f"{name}: ", end="")
            self.begun = True

    def say(self, text: str) -> None:
        if self._void:
            self.end()
            # Both streams may be the same terminal: what was printed comes before the sentence about it.
            sys.stdout.flush()
            output.say("was_thinking")
            self._shown, self._void = "", False
        output.print_text(text, end="")
        sys.stdout.flush()
        self._shown += text
        self.begun = not text.endswith("\n")

    def again(self, text: str) -> None:
        """The text printed so far was reasoning, and this is the reply; what is printed stays printed."""
        self._void = bool(self._shown) and text != self._shown
        if text and text != self._shown:
            self.say(text)

    def end(self) -> None:
        if self.begun:
            output.print_text()
        self.begun = False


def _reply(reply: Message, place: Conversation, model: str, billing: dict[str, Any] | None) -> dict[str, Any]:
    """A reply for JSON; in a group also who speaks."""
    speaker = {"speaker": reply.name} if place.group_id else {}
    return {
        "content": reply.content,
        "thinking": reply.thinking,
        "next_prompts": list(reply.suggestions),
        "event": reply.event,
        "message_id": reply.id,
        "conversation_id": place.id,
        "character_id": reply.speaker or place.character_id,
        "model": model,
        "usage": _usage(reply),
        "billing": billing,
        "finish": reply.finish,
        "speed": reply.extra.get("speed"),
        "cost": reply.extra.get("cost"),
        **speaker,
    }


def _impersonated(
    place: Conversation, text: str, model: str, billing: dict[str, Any] | None
) -> dict[str, Any]:
    """Words in the person's place for JSON: nothing of them is stored."""
    empty = dict.fromkeys(("usage", "finish", "speed", "cost"))
    return {
        "content": text,
        "thinking": "",
        "next_prompts": [],
        "event": "",
        "message_id": None,
        "conversation_id": place.id,
        "character_id": place.character_id or None,
        "model": model,
        "billing": billing,
        **empty,
    }


def _usage(reply: Message) -> dict[str, Any] | None:
    """The counts under their documented names, all of them."""
    if reply.usage is None:
        return None
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens")
    counts: dict[str, Any] = {name: reply.usage.get(name, 0) for name in names}
    return {**counts, "estimated": bool(reply.usage.get("estimated"))}


async def _show_request(
    runtime: Runtime, place: Conversation, flags: ChatOptions, options: TurnOptions
) -> None:
    """The request as it would be sent, and on stderr what of it the model does not take."""
    from lunalux_core.llm.servers.images import shown_body
    from lunalux_core.llm.servers.request_fields import shown_headers, untaken

    spec, request = await runtime.chat.previews.request(place.id, flags.words, options, flags.kind)
    call = runtime.models.call_of(spec, request)
    output.print_json(
        {
            "method": "POST",
            "url": without_password(call.url),
            "headers": shown_headers(call.headers),
            "body": shown_body(call.body),
        }
    )
    text = request.completion is not None
    if left := untaken(spec.provider, spec.base_url, request.sampling, text=text):
        output.say("untaken", names=in_a_list(left))


async def _show_prompt(
    runtime: Runtime, place: Conversation, flags: ChatOptions, options: TurnOptions, *, as_json: bool
) -> None:
    prompt, told = await runtime.chat.previews.prompt_told(place.id, flags.words, options, flags.kind)
    for event in told:
        if isinstance(event, TemplateFailed):
            output.warn(event.error)
    if prompt.form is not None:
        if as_json:
            form = {"stop": list(prompt.form.stop), "template": prompt.form.template}
            output.print_json({"prompt": prompt.text, **form})
        else:
            output.print_text(prompt.text)
        return
    messages = [
        {key: value for key, value in asdict(message).items() if value is not None and value != ()}
        for message in prompt.to_messages()
    ]
    for shown, piece in zip(messages, prompt.messages, strict=True):
        if piece.pictures:
            shown["pictures"] = [picture.as_json() for picture in piece.pictures]
    if as_json:
        output.print_json(messages)
        return
    for message in messages:
        output.print_text(f"--- {message['role']}{' (' + message['name'] + ')' if 'name' in message else ''}")
        output.print_text(message["content"])
        for picture in message.get("pictures", ()):
            output.print_text(f"[{picture['name']}: {picture['width']} × {picture['height']}]")
