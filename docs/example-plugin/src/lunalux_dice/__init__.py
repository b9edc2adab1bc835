"""Dice: one plug-in with every hook, each as small as it can be."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from lunalux_core.llm.model import Message
from lunalux_core.plugins.api import (
    Command,
    DisplayView,
    Event,
    Model,
    ModelCall,
    Outcome,
    Panel,
    PromptView,
    Reply,
    Scene,
    UserMessage,
    hook,
)

ROLL = re.compile(r"/(\d{1,2})d(\d{1,3})([+-]\d{1,3})?")
RULE = "Results of dice are written as [2d6+1: 9]. Tell what happens accordingly, and never roll yourself."


class Dice:
    """Rolls `/2d6+1` in what is sent."""

    api_version = 1

    def __init__(self) -> None:
        self._random = random.Random()
        self._tokens = 0

    @hook
    def on_enable(self) -> None:
        self._random.seed()

    @hook
    def on_user_message(self, message: UserMessage) -> str | None:
        rolled = ROLL.sub(self._rolled, message.text)
        return rolled if rolled != message.text else None

    @hook
    def on_prompt(self, prompt: PromptView) -> Sequence[Message] | None:
        return (Message("system", RULE), *prompt.messages)

    @hook
    def on_response_raw(self, reply: Reply) -> str | None:
        return reply.raw.replace("[dice]", "")

    @hook
    def on_response(self, reply: Reply) -> str | None:
        return reply.text.rstrip()

    @hook
    def on_display(self, view: DisplayView) -> str | None:
        return re.sub(r"\[(\d+d\d+[+-]?\d*: -?\d+)\]", r"**🎲 \1**", view.text)

    @hook
    def on_event(self, event: Event) -> None:
        self._tokens += int(str(event.data.get("completion_tokens", 0)))

    @hook
    def commands(self) -> Sequence[Command]:
        return [Command("roll", "Roll a die", self._command, "Puts the result of one d20 into the prompt.")]

    @hook
    def panel(self, scene: Scene) -> Panel | None:
        return Panel("Dice", f"Write `/2d6+1` to roll.\n\nTokens of replies so far: **{self._tokens}**")

    @hook
    def models(self) -> Sequence[Model]:
        return [Model("oracle", self._oracle)]

    def _rolled(self, match: re.Match[str]) -> str:
        count, sides, plus = int(match[1]), int(match[2]), int(match[3] or 0)
        total = sum(self._random.randint(1, sides) for _ in range(count)) + plus if sides else plus
        return f"[{match[0][1:]}: {total}]"

    def _command(self, scene: Scene) -> Outcome:
        result = self._random.randint(1, 20)
        return Outcome(f"d20: {result}", f"{scene.typed}[1d20: {result}] ")

    def _oracle(self, call: ModelCall) -> Iterator[str]:
        yield "The dice say: "
        yield self._random.choice(["yes.", "no.", "yes, but it will cost you.", "ask again."])
