"""What a message looks like on screen: display scripts, and macros that nobody knows.

Nothing here is ever stored or sent. Display scripts may depend on how far a message stands from the end,
so what is remembered is kept by the scripts that apply there, not by the number: a message that only moves
up costs nothing.

See docs/spec/formats.md: Running regex scripts, Where scripts run, Macro values.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from lunalux_core.macros.expansion import MacroContext, Variables, expand_all, expander
from lunalux_core.regex.script import AI_OUTPUT, REASONING, SLASH_COMMAND, USER_INPUT, RegexScript
from lunalux_core.regex.substitution import Skipped, run_scripts, why_not
from lunalux_core.text import clean

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message
    from lunalux_core.regex.engine import EcmaEngine

PLACEMENT = {"user": USER_INPUT, "assistant": AI_OUTPUT, "system": SLASH_COMMAND}
KEPT = 2_000
"""Messages whose look is remembered, over all conversations."""
PATIENCE = 2
"""How often a script may run out of time before the others go on without it."""

DisplayKey = tuple[str, int, int, int, tuple[int, ...], tuple[int, ...]]
"""What the look of a message depends on: its id, its words, its reasoning, and which scripts apply."""


@dataclass(frozen=True, slots=True)
class SpeakerScripts:
    """The display scripts for the messages of one speaker, and what their macros stand for."""

    scripts: tuple[RegexScript, ...]
    context: MacroContext


@dataclass(frozen=True, slots=True)
class DisplayedMessage:
    """A message as it is to be shown.

    `applied` names the scripts that changed something, `failed` those that could not run, `hidden` the
    macros of a greeting that nobody knows and that are left out. `key` says what this look is for.
    """

    key: DisplayKey
    source: str
    text: str
    thinking: str = ""
    applied: tuple[str, ...] = ()
    failed: tuple[Skipped, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(slots=True)
class DisplayCache:
    """Looks by key, those used last; shared by all conversations of a program."""

    limit: int = KEPT
    _kept: OrderedDict[DisplayKey, DisplayedMessage] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: DisplayKey) -> DisplayedMessage | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, displayed: DisplayedMessage) -> None:
        with self._lock:
            self._kept[displayed.key] = displayed
            while len(self._kept) > self.limit:
                self._kept.popitem(last=False)


class Display:
    """The looks of one conversation's messages, as long as its scripts, names and variables stay the same.

    Args:
        voices: by the speaker's id; "" is for everybody who has none.
        engine: runs the patterns; asked for when the first one is to run.
    """

    def __init__(
        self,
        voices: Mapping[str, SpeakerScripts],
        variables: Mapping[str, str],
        global_variables: Mapping[str, str],
        engine: Callable[[], EcmaEngine],
        memory: DisplayCache | None = None,
    ) -> None:
        self._voices = voices
        self._variables = variables
        self._globals = global_variables
        self._engine = engine
        self._memory = memory or DisplayCache()
        self._late: Counter[str] = Counter()
        # Names and variables are part of it: macros in the scripts read them.
        self._version = hash(
            (
                tuple(
                    (who, voice.scripts, voice.context.user, voice.context.char)
                    for who, voice in voices.items()
                ),
                tuple(variables.items()),
                tuple(global_variables.items()),
            )
        )

    @property
    def idle(self) -> bool:
        """Whether no script of this conversation is for the display; only greetings can look different."""
        return not any(voice.scripts for voice in self._voices.values())

    def key(self, message: Message, depth: int | None) -> DisplayKey | None:
        """What the look of a message depends on; None where it is shown as it is stored.

        Args:
            depth: messages from the end, 0 is the last one; None for one that is kept out of the prompt.
        """
        voice = self._voice(message)
        applying = self._applying(voice, message.content, PLACEMENT[message.role], depth)
        thought = self._applying(voice, message.thinking, REASONING, depth)
        if not applying and not thought and not _may_hide(message):
            return None
        return message.id, hash(message.content), hash(message.thinking), self._version, applying, thought

    def show(self, message: Message, depth: int | None) -> DisplayedMessage | None:
        """The look of a message, None where it is shown as it is stored. Slow scripts take seconds here: call
        it in a thread.
        """
        key = self.key(message, depth)
        if key is None:
            return None
        # The key holds all that the look depends on, so an entry is never out of date.
        remembered = self._memory.get(key)
        if remembered is not None:
            return remembered
        voice = self._voice(message)
        # What a macro sets while drawing ends here: looking at a chat must not change it.
        variables = Variables(self._variables, self._globals)
        text, hidden = message.content, tuple[str, ...]()
        if _may_hide(message):
            expanded = expand_all(text, voice.context, variables, hide_unknown=True)
            text, hidden = expanded.text, tuple(dict.fromkeys(expanded.unknown))
        said, failed, applied = self._run(voice, key[4], text, PLACEMENT[message.role], depth, variables)
        thinking, more, used = self._run(voice, key[5], message.thinking, REASONING, depth, variables)
        displayed = DisplayedMessage(
            key,
            message.content,
            clean(said),
            clean(thinking),
            tuple(dict.fromkeys((*applied, *used))),
            (*failed, *more),
            hidden,
        )
        self._memory.put(displayed)
        return displayed

    def _voice(self, message: Message) -> SpeakerScripts:
        return self._voices.get(message.speaker) or self._voices[""]

    def _applying(
        self, voice: SpeakerScripts, text: str, placement: int, depth: int | None
    ) -> tuple[int, ...]:
        """Places of the scripts that are for such a text at such a depth."""
        if not text or not voice.scripts:
            return ()
        return tuple(
            at
            for at, script in enumerate(voice.scripts)
            if why_not(script, placement=placement, target="display", depth=depth) is None
        )

    def _run(
        self,
        voice: SpeakerScripts,
        places: Sequence[int],
        text: str,
        placement: int,
        depth: int | None,
        variables: Variables,
    ) -> tuple[str, tuple[Skipped, ...], tuple[str, ...]]:
        # A script that was late twice is left out from then on: it would cost its time for every message.
        scripts = [voice.scripts[at] for at in places if self._late[voice.scripts[at].find] < PATIENCE]
        if not scripts:
            return text, (), ()
        result = run_scripts(
            scripts,
            text,
            placement=placement,
            target="display",
            engine=self._engine(),
            expand=expander(voice.context, variables),
            depth=depth,
        )
        failed = tuple(skipped for skipped in result.skipped if skipped.failed)
        late = {skipped.name for skipped in failed if skipped.reason == "timeout"}
        # Late scripts are counted by their pattern: a name may be missing, or stand for several.
        self._late.update(
            script.find for script in scripts if (script.name or script.id or script.find) in late
        )
        return result.text, failed, result.applied


def display_scripts(scripts: Sequence[RegexScript]) -> tuple[RegexScript, ...]:
    """Those that change what is shown."""
    return tuple(script for script in scripts if script.markdown_only and not script.disabled and script.find)


def _may_hide(message: Message) -> bool:
    """Whether macros of a card may stand in it: they were expanded when the chat began, the known ones."""
    return not message.parent_id and message.role == "assistant" and "{{" in message.content
