"""`lunalux chat`: the app at a character, or one turn streamed to stdout."""

from __future__ import annotations

import sys
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import typer

from lunalux_core.dialogue.turn import (
    Billed,
    PluginFailed,
    ScriptSkipped,
    TextDelta,
    TurnCompleted,
    TurnOptions,
    TurnStarted,
    WorldbookOverflowed,
)
from lunalux_core.errors import InvalidInput
from lunalux_core.library.conversations import Conversation
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime

chat_app = typer.Typer(add_completion=False)
commands = {"chat": chat_app}


@chat_app.command()
def chat(
    character: str = typer.Argument(help="Name or id of a character."),
    message: str = typer.Option("", "-m", "--message", help="Say this and print the reply."),
    conversation: str = typer.Option("", help="Id of the conversation to go on with."),
    new: bool = typer.Option(False, "--new", help="Start a new conversation."),
    model: str = typer.Option("", help="A saved model, openai:MODEL, gemini:MODEL or practice."),
    official: str = typer.Option("", metavar="MODEL_ID", help="An official model, paid through the wallet."),
    user: str = typer.Option("", help="What the character calls you."),
    preset: str = typer.Option("", help="Name of a preset."),
    show_prompt: bool = typer.Option(
        False, "--show-prompt", help="Print the exact messages that would be sent, and send nothing."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Talk with a character.

    On a terminal this opens the app. With a message (or text on stdin) it runs one turn and prints the reply:

        lunalux chat Mira -m "Good evening" --model openai:gpt-4o-mini
    """
    if not message and not sys.stdin.isatty():
        message = sys.stdin.read().strip()
    if not message and not show_prompt:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from lunalux_tui.app import run

            raise typer.Exit(run(character=character, conversation=conversation, new=new))
        raise InvalidInput("USAGE", "There is no message to send.", "Give one with -m, or on stdin.")
    options = TurnOptions(model=f"official:{official}" if official else model, preset=preset, user_name=user)

    async def work(runtime: Runtime) -> None:
        await runtime.first_start()
        await runtime.chat.recover()
        place = await _conversation(runtime, character, conversation, new=new, user=user)
        if show_prompt:
            await _show_prompt(runtime, place, message, options, as_json=as_json)
        else:
            await _turn(runtime, place, message, options, as_json=as_json)

    with_runtime(work)


async def _conversation(
    runtime: Runtime, character: str, conversation: str, *, new: bool, user: str
) -> Conversation:
    found = await runtime.library.characters.find(character)
    if conversation:
        place = await runtime.library.conversations.get(conversation)
        if place.character_id != found.id:
            raise InvalidInput(
                "CONVERSATION_OF_ANOTHER",
                f"Conversation {conversation} is not one of {found.name}'s.",
                f"`lunalux conversation list {found.id}` shows theirs.",
            )
        return place
    if new:
        return await runtime.chat.start(found.id, user_name=user)
    return await runtime.chat.open(found.id)


async def _turn(
    runtime: Runtime, place: Conversation, message: str, options: TurnOptions, *, as_json: bool
) -> None:
    billing: dict[str, Any] | None = None
    model = ""
    ended = True
    async with aclosing(runtime.chat.send(place.id, message, options)) as events:
        async for event in events:
            match event:
                case TurnStarted():
                    model = event.model
                case TextDelta() if not as_json:
                    output.print_text(event.text, end="")
                    sys.stdout.flush()
                    ended = event.text.endswith("\n")
                case Billed():
                    billing = {"method": event.method, "cost": event.cost, "modelId": event.model_id}
                case PluginFailed():
                    output.note(f"warning: {event.message}")
                case ScriptSkipped():
                    output.note(f"warning: {event.script}: {event.reason}")
                case WorldbookOverflowed():
                    output.note(f"warning: {event.entries} worldbook entries exceed {event.budget} tokens")
                case TurnCompleted(message=reply) if reply is not None and as_json:
                    output.print_json(
                        {
                            "content": reply.content,
                            "thinking": reply.thinking,
                            "next_prompts": list(reply.suggestions),
                            "event": reply.event,
                            "message_id": reply.id,
                            "conversation_id": place.id,
                            "character_id": place.character_id,
                            "model": model,
                            "usage": reply.usage,
                            "billing": billing,
                        }
                    )
    if not as_json and not ended:
        output.print_text()


async def _show_prompt(
    runtime: Runtime, place: Conversation, message: str, options: TurnOptions, *, as_json: bool
) -> None:
    prompt = await runtime.chat.preview(place.id, message, options)
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
