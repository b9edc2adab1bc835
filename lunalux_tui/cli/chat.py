"""`lunalux chat`: the app at a character, or one turn streamed to stdout.

See docs/spec/formats.md: Regex script files.
See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import sys
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Any

import typer

from lunalux_core.diagnostics.redaction import without_password
from lunalux_core.dialogue.turn import (
    Billed,
    PluginFailed,
    ReplyKept,
    Reread,
    ScriptSkipped,
    Shortened,
    TemplateFailed,
    TextDelta,
    TextsCut,
    TurnCompleted,
    TurnOptions,
    TurnStarted,
    WorldbookOverflowed,
)
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound, PaymentError
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.llm.parameters import read_pairs
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime
from lunalux_tui.cli.values import input_text
from lunalux_tui.i18n import t

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
    accept_price: bool = typer.Option(
        False, "--accept-price", help="Pay the price of today, also where it is dearer than the one you know."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Talk with a character.

    On a terminal this opens the app. With a message (or text on stdin) it runs one turn and prints the reply:

        lunalux chat Mira -m "Good evening" --model openai:gpt-4o-mini

    In a group those whose turn it is answer one after another; --speaker without a message lets one speak.
    """
    if not message and not sys.stdin.isatty():
        message = input_text().strip()
    if not message and not show_prompt and not show_request and not speaker:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from lunalux_tui.app.run import run

            raise typer.Exit(run(character=character, conversation=conversation, new=new))
        raise InvalidInput(
            "USAGE", "There is no message to send.", "Give one with -m, or on stdin.", kind="message"
        )
    options = TurnOptions(
        model=f"official:{official}" if official else model,
        preset=preset,
        user_name=user,
        speaker=speaker,
        parameters=read_pairs(set_),
    )

    async def work(runtime: Runtime) -> None:
        await runtime.first_start()
        await runtime.chat.recover(output.journal_damaged)
        place = await _conversation(runtime, character, conversation, speaker, new=new, user=user)
        await _check_speaker(runtime, place, options)
        await _tell_of_scripts(runtime, place)
        if show_request:
            await _show_request(runtime, place, message, options)
        elif show_prompt:
            await _show_prompt(runtime, place, message, options, as_json=as_json)
        else:
            await _agree_on_price(runtime, options.model or runtime.settings.model, accept_price)
            await _turn(runtime, place, message, options, as_json=as_json)

    with_runtime(work)


async def _agree_on_price(runtime: Runtime, model: str, accept: bool) -> None:
    """Ask before a reply is paid that costs more than the person knows of; without a terminal, refuse.

    Raises:
        PaymentError: PRICE_CHANGED, nothing was stored and nothing charged.
    """
    if not model.startswith("official:"):
        return
    account, model_id = runtime.account, model.partition(":")[2]
    with suppress(LunaluxError):  # the turn itself tells it, with the words stored
        await account.ensure()
    try:
        account.check_price(model_id)
    except PaymentError as error:
        if not accept and not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        if not accept:
            typer.confirm(f"{output.sentence(error)[0]} {t('cli.price_question')}", abort=True, err=True)
        await account.agree(model_id)


async def _conversation(
    runtime: Runtime, character: str, conversation: str, speaker: str, *, new: bool, user: str
) -> Conversation:
    """The conversation to go on with; that of a group by its own name or a member's."""
    try:
        found = await runtime.library.characters.find(character)
    except NotFound as unknown:
        return await _group_conversation(runtime, character, conversation, unknown, new=new, user=user)
    if conversation:
        place = await runtime.library.conversations.get(conversation)
        joined = place.group_id and (await runtime.library.groups.get(place.group_id)).member(found.id)
        if place.character_id != found.id and not joined:
            raise _of_another(conversation, found.name, found.id)
        return place
    if speaker:
        raise _not_a_group()
    if new:
        return await runtime.chat.start(found.id, user_name=user)
    return await runtime.chat.open(found.id)


async def _group_conversation(
    runtime: Runtime, name: str, conversation: str, unknown: NotFound, *, new: bool, user: str
) -> Conversation:
    try:
        group = await runtime.library.groups.find(name)
    except NotFound:
        raise unknown from None
    if conversation:
        place = await runtime.library.conversations.get(conversation)
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
    )


def _not_a_group() -> InvalidInput:
    return InvalidInput(
        "NOT_A_GROUP", "Only a group has members that can be asked to speak.", "Leave out --speaker."
    )


async def _check_speaker(runtime: Runtime, place: Conversation, options: TurnOptions) -> None:
    """Refuse what would get no answer. Raises InvalidInput (NOT_A_GROUP, SPEAKER_NEEDED)."""
    if not place.group_id:
        if options.speaker:
            raise _not_a_group()
        return
    group = await runtime.library.groups.get(place.group_id)
    if not options.speaker and (group.order == "manual" or all(one.muted for one in group.members)):
        raise InvalidInput(
            "SPEAKER_NEEDED",
            f"Nobody in {group.name} answers unasked.",
            "Name who is to answer with --speaker.",
            group=group.name,
        )


async def _tell_of_scripts(runtime: Runtime, place: Conversation) -> None:
    """Name the cards whose scripts wait for a word of the person; on stderr."""
    from lunalux_core.chat.card_scripts import scripts_of_cards

    for one in await scripts_of_cards(runtime.library, place.id):
        if one.allowed is None:
            output.say("scripts_unasked", name=one.name, id=one.character_id, n=len(one.scripts))


async def _turn(
    runtime: Runtime, place: Conversation, message: str, options: TurnOptions, *, as_json: bool
) -> None:
    billing: dict[str, Any] | None = None
    model = ""
    printed = _Printed()
    replies: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    turn = runtime.chat.send(place.id, message, options) if message else runtime.chat.speak(place.id, options)
    async with aclosing(turn) as events:
        async for event in events:
            match event:
                case TurnStarted():
                    model, billing = event.model, None
                    if not as_json:
                        printed.begin(event.reply.name if place.group_id and event.reply is not None else "")
                case TextDelta() if not as_json:
                    printed.say(event.text)
                case Reread() if not as_json:
                    printed.again(event.text)
                case Billed():
                    billing = {"method": event.method, "cost": event.cost, "modelId": event.model_id}
                case PluginFailed():
                    output.say("warning", text=event.message)
                case ScriptSkipped():
                    skipped.setdefault(event.script, event.reason)
                case WorldbookOverflowed():
                    output.say("book_overflow", n=event.entries, budget=event.budget)
                case TemplateFailed():
                    output.warn(event.error)
                case TextsCut():
                    output.say("texts_cut", names=", ".join(event.names), window=f"{event.window:,}")
                case Shortened():
                    output.say("window_learnt", window=f"{event.window:,}")
                case ReplyKept():
                    output.say("reply_kept")
                case TurnCompleted(message=reply) if reply is not None:
                    if as_json:
                        replies.append(_reply(reply, place, model, billing))
                    if reply.finish in {"length", "cut", "filtered", "tool"}:
                        printed.end()
                        output.say(f"ended_{reply.finish}")
    if skipped:
        name, reason = next(iter(skipped.items()))
        output.say("scripts_skipped", n=len(skipped), name=name, reason=reason)
    if as_json and replies:
        output.print_json({**replies[-1], "replies": replies} if place.group_id else replies[-1])
    printed.end()


class _Printed:
    """What of a reply stands on stdout. `begun`: nobody has ended its line yet."""

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
            sys.stdout.flush()
            output.say("was_thinking")
            self._shown, self._void = "", False
        output.print_text(text, end="")
        sys.stdout.flush()
        self._shown += text
        self.begun = not text.endswith("\n")

    def again(self, text: str) -> None:
        """What was told so far is something else, and this is the reply; what is printed stays printed."""
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


def _usage(reply: Message) -> dict[str, Any] | None:
    """The counts under their documented names, all of them."""
    if reply.usage is None:
        return None
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens")
    counts: dict[str, Any] = {name: reply.usage.get(name, 0) for name in names}
    return {**counts, "estimated": bool(reply.usage.get("estimated"))}


async def _show_request(runtime: Runtime, place: Conversation, message: str, options: TurnOptions) -> None:
    """The request as it would be sent, and on stderr what of it the model does not take."""
    from lunalux_core.llm.servers.request_fields import shown_headers, untaken

    spec, request = await runtime.chat.request(place.id, message, options)
    call = runtime.models.call_of(spec, request)
    output.print_json(
        {
            "method": "POST",
            "url": without_password(call.url),
            "headers": shown_headers(call.headers),
            "body": call.body,
        }
    )
    text = request.completion is not None
    if left := untaken(spec.provider, spec.base_url, request.sampling, text=text):
        output.say("untaken", names=", ".join(left))


async def _show_prompt(
    runtime: Runtime, place: Conversation, message: str, options: TurnOptions, *, as_json: bool
) -> None:
    prompt, told = await runtime.chat.preview_told(place.id, message, options)
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
        {key: value for key, value in asdict(one).items() if value is not None}
        for one in prompt.to_messages()
    ]
    if as_json:
        output.print_json(messages)
        return
    for one in messages:
        output.print_text(f"--- {one['role']}{' (' + one['name'] + ')' if 'name' in one else ''}")
        output.print_text(one["content"])
