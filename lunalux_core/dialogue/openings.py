"""How a conversation begins: greetings run through the scripts and macros, each with its own variables.

A greeting is stored as it is shown. What it sets (clothes, a route, statistics) becomes the state of its
message, so that every swipe begins a branch of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunalux_core.library.program_state import store_globals
from lunalux_core.macros.expansion import MacroContext, Variables, expand, expander
from lunalux_core.text import clean

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection
    from lunalux_core.regex.engine import EcmaEngine
    from lunalux_core.regex.script import RegexScript

MakeEngine = Callable[[], "EcmaEngine"]


def card_context(card: Card, name: str, **about: Any) -> MacroContext:
    """What the macros of a card's texts stand for; `about` are further fields of `MacroContext`."""
    return MacroContext(
        char=name,
        nickname=card.nickname,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        examples=card.mes_example,
        char_prompt=card.system_prompt,
        char_instruction=card.post_history_instructions,
        depth_prompt=card.depth_prompt.prompt,
        creator_notes=card.creator_notes,
        char_version=card.character_version,
        first_message=card.first_mes,
        alternate_greetings=card.alternate_greetings,
        **about,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A greeting as it is stored. `state` is what its message leaves behind, {} where it sets nothing.

    `global_variables` are those of the library after it, None where it changes none.
    """

    text: str
    raw: str
    state: Mapping[str, Any] = field(default_factory=dict)
    global_variables: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class GreetingOpener:
    """Turns greetings into the first messages of a conversation.

    Args:
        engine: gives the engine for scripts; without one, they have one of their own while it is needed.
        global_variables: the library's.
    """

    engine: MakeEngine | None = None
    global_variables: Mapping[str, str] = field(default_factory=dict)

    def open(
        self,
        greetings: Sequence[str],
        context: MacroContext,
        scripts: Sequence[RegexScript],
        state: Mapping[str, Any] | None = None,
    ) -> list[Opened]:
        """The greetings of one speaker, each from the same state of the branch above them."""
        with self._scripted(scripts) as run:
            return [self._opened(greeting, context, run, state or {}) for greeting in greetings]

    def _opened(
        self, greeting: str, context: MacroContext, run: Callable[..., str], state: Mapping[str, Any]
    ) -> Opened:
        stored = state.get("variables")
        variables = Variables(stored if isinstance(stored, dict) else {}, self.global_variables)
        # Scripts before macros: a script may write a macro.
        scripted = run(greeting, expand=expander(context, variables))
        text = clean(expand(scripted, context, variables)).strip()
        changed = variables.delta()
        own = {**state, "variables": variables.local.all()} if changed.local else {}
        return Opened(text, greeting, own, variables.global_.all() if changed.global_ else None)

    @contextmanager
    def _scripted(self, scripts: Sequence[RegexScript]) -> Iterator[Callable[..., str]]:
        """Runs the scripts for stored replies, as the program where greetings come from does; all greetings
        share the time of one message."""
        from lunalux_core.regex.script import AI_OUTPUT
        from lunalux_core.regex.substitution import run_scripts, why_not

        active = [
            script for script in scripts if why_not(script, placement=AI_OUTPUT, target="store") is None
        ]
        if not active:
            yield lambda text, **_: text
            return
        from lunalux_core.regex.engine import EcmaEngine, RegexBudget

        engine = self.engine() if self.engine is not None else EcmaEngine()
        budget = RegexBudget()

        def run(text: str, **more: Any) -> str:
            return run_scripts(
                active, text, placement=AI_OUTPUT, target="store", engine=engine, budget=budget, **more
            ).text

        try:
            yield run
        finally:
            if self.engine is None:
                engine.close()


def keep_globals(connection: Connection, opened: Opened) -> None:
    """Store the library's variables as the greeting that is shown left them."""
    if opened.global_variables is not None:
        store_globals(connection, opened.global_variables)


def carried_state(
    own: Mapping[str, Any], origin: Mapping[str, Any], target: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The state of a message that is moved from below `origin` to below `target`: what it changed itself."""
    if not own:
        return own
    before, after = _variables(origin), _variables(own)
    # Only what the greeting itself set: the rest belongs to the branch that it leaves.
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    carried = {
        name: value for name, value in _variables(target).items() if name not in before or name in after
    }
    return {**target, **{key: value for key, value in own.items() if key != "variables"}} | {
        "variables": {**carried, **changed}
    }


def _variables(state: Mapping[str, Any]) -> Mapping[str, Any]:
    stored = state.get("variables")
    return stored if isinstance(stored, dict) else {}
