"""Reads all that one turn needs, within one transaction, so that no node ever queries.

See docs/spec/design.md: One chat turn.
See docs/spec/formats.md: Regex script files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lunalux_core.config.settings import Settings
from lunalux_core.dialogue.active_books import active_books, parsed_card
from lunalux_core.dialogue.context_window import allowed_window
from lunalux_core.dialogue.openings import GreetingOpener, MakeEngine, Opened, card_context, keep_globals
from lunalux_core.dialogue.profile_choice import Choice, Chooser, profile_chain
from lunalux_core.dialogue.turn import TurnInput, TurnOptions, TurnTask
from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.characters import Character, load_character, touch_character
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    create_conversation,
    insert_message,
    load_conversation,
    new_message,
    select_message,
)
from lunalux_core.library.groups import first_language, touch_group
from lunalux_core.library.personas import Persona, load_persona
from lunalux_core.library.program_state import load_globals, load_token_factor
from lunalux_core.library.shelf import first_item, load_shelf
from lunalux_core.library.turns import History, branch_state, kept_beside, load_history
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.cards.card import Card
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.chat_texts import ChatInjection
    from lunalux_core.dialogue.turn import GroupContext
    from lunalux_core.language import Language
    from lunalux_core.library.bank_documents import Passage, Reach
    from lunalux_core.library.profiles import Task
    from lunalux_core.library.templates import StoredTemplate
    from lunalux_core.library.trackers import TrackerState
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.model_registry import Registry
    from lunalux_core.memory.memory_reader import MemoryReader
    from lunalux_core.memory.story_memory import StoryMemory
    from lunalux_core.presets.document import Preset
    from lunalux_core.regex.script import RegexScript
    from lunalux_core.templates.template_values import ReplyStart
    from lunalux_core.worldbook.engine import ActiveBook

DEFAULT_PRESET = "mirror_realm"
CHARS_PER_TOKEN = 6
"""More characters than this never fit one token, so more history than this many never fits the context."""


class TurnReader:
    """Reads rows of the library into the input of a turn.

    Args:
        settings: the values in force.
        models: resolves the name of the model.
        engine: runs the scripts of greetings; see `GreetingOpener`.
    """

    def __init__(
        self, settings: Settings, models: Callable[[], Registry], engine: MakeEngine | None = None
    ) -> None:
        self._settings = settings
        self._models = models
        self._engine = engine

    @cached_property
    def _memories(self) -> MemoryReader:
        from lunalux_core.memory.memory_reader import MemoryReader

        return MemoryReader()

    def begin(
        self, connection: Connection, character_id: str, title: str, options: TurnOptions
    ) -> Conversation:
        """A new conversation with the card's greetings as swipes of its first message."""
        character = load_character(connection, character_id)
        conversation = create_conversation(connection, character_id, title)
        first: Message | None = None
        for opening in self.openings(connection, conversation, character, options):
            message = new_message(
                conversation.id,
                None,
                "assistant",
                character.name,
                opening.text,
                raw=opening.raw,
                state=opening.state,
            )
            insert_message(connection, message)
            if first is None:
                first = message
                # Every greeting began from the same variables; those of the one that is shown count.
                keep_globals(connection, opening)
        # The greetings are stored beside each other, none of them shown: the first one begins the chat.
        if first is not None:
            select_message(connection, first.id)
        touch_character(connection, character_id, conversation.created_at)
        return load_conversation(connection, conversation.id)

    def openings(
        self, connection: Connection, conversation: Conversation, character: Character, options: TurnOptions
    ) -> Sequence[Opened]:
        """The greetings of a character as a conversation begins with them; nothing is stored."""
        card = parsed_card(character.document)
        persona = load_persona(connection, conversation.persona_id)
        language = self.language(character)
        context = card_context(
            card,
            character.name,
            user=self._called(options, persona, language),
            persona=persona.description if persona else "",
            chat_id=conversation.id,
            language=language,
            **self.limits(options),
        )
        scripts = self._opening_scripts(connection, conversation, options, character, card)
        opener = GreetingOpener(self._engine, load_globals(connection))
        return opener.open(card.greetings, context, scripts)

    def begin_group(
        self, connection: Connection, group_id: str, title: str, options: TurnOptions
    ) -> Conversation:
        """A new conversation of a group with its members' greetings."""
        from lunalux_core.groups.group_openings import begin_group

        persona = load_persona(connection, None)
        language = self._group_language(connection, group_id)
        user = self._called(options, persona, language)
        conversation = begin_group(
            connection,
            group_id,
            title,
            GreetingOpener(self._engine, load_globals(connection)),
            lambda conversation, character, card: self._opening_scripts(
                connection, conversation, options, character, card
            ),
            user=user,
            persona=persona.description if persona else "",
            language=language,
            **self.limits(options),
        )
        touch_group(connection, group_id, conversation.created_at)
        return load_conversation(connection, conversation.id)

    def user_name(self, connection: Connection, conversation: Conversation, options: TurnOptions) -> str:
        """What the person is called: an option, the persona, the setting, or a traveller."""
        persona = load_persona(connection, conversation.persona_id)
        return self._called(options, persona, self._language_of(connection, conversation))

    def narrator(self, connection: Connection, conversation: Conversation) -> str:
        """What a narrator is called in a conversation's language."""
        return "旁白" if self._language_of(connection, conversation) == "zh" else "Narrator"

    def _called(self, options: TurnOptions, persona: Persona | None, language: Language) -> str:
        name = options.user_name or (persona.name if persona else "")
        return clean_line(name or self._settings.user_name) or ("旅人" if language == "zh" else "Traveller")

    def character_name(self, connection: Connection, conversation: Conversation, speaker: str = "") -> str:
        """Who replies: the character, or the speaker of a group (an id)."""
        if conversation.group_id:
            from lunalux_core.groups.group_prompt import load_speaker

            return load_speaker(connection, None, speaker).name
        return load_character(connection, conversation.character_id).name

    def choice(
        self,
        connection: Connection,
        conversation: Conversation,
        options: TurnOptions,
        speaker: str = "",
        task: Task | None = None,
    ) -> Choice:
        """With what a reply, or a task beside the replies, is made in a conversation.

        Args:
            speaker: the member of a group who speaks.

        Raises:
            NotFound: PROFILE_NOT_FOUND, MODEL_UNKNOWN.
        """
        return self._chooser(connection, conversation, options, speaker, task).choose(options.model)

    def _chooser(
        self,
        connection: Connection,
        conversation: Conversation,
        options: TurnOptions,
        speaker: str,
        task: Task | None = None,
    ) -> Chooser:
        from lunalux_core.presets.builtin import BUILTIN_KEYS

        def has_preset(name: str) -> bool:
            return name in BUILTIN_KEYS or first_item(connection, "preset", name) is not None

        def start_of(template: str) -> ReplyStart | None:
            from lunalux_core.dialogue.text_templates import chosen_template

            return chosen_template(_templates(connection), template, "en").start

        def has_template(name: str) -> bool:
            from lunalux_core.dialogue.text_templates import templates_found

            try:
                return bool(templates_found(_templates(connection), name))
            except NotFound:
                return False

        chain = profile_chain(connection, conversation, speaker, options.profile, task)
        return Chooser(chain, self._models(), self._settings, has_preset, has_template, start_of)

    def model(self, options: TurnOptions) -> ModelSpec:
        """The model of this turn without profiles. Raises NotFound (MODEL_UNKNOWN)."""
        return self._models().resolve(options.model or self._settings.model)

    def _opening_scripts(
        self,
        connection: Connection,
        conversation: Conversation,
        options: TurnOptions,
        character: Character,
        card: Card,
    ) -> list[RegexScript]:
        """The scripts for greetings; a preset that cannot be read keeps no conversation from beginning."""
        from lunalux_core.presets.builtin import load_builtin

        language = self.language(character)
        try:
            preset = self.preset(connection, conversation, options, language)
        except LunaluxError:
            preset = load_builtin(DEFAULT_PRESET, language)
        return scripts_in_force(connection, character, card, preset)

    def limits(self, options: TurnOptions) -> dict[str, Any]:
        """The model of this turn as macros see it; nothing where there is none."""
        try:
            model = self.model(options)
        # A conversation can begin without a model: only replies need one.
        except LunaluxError:
            return {}
        return {
            "model": model.model,
            "max_context": model.context_tokens,
            "max_response": self._settings.reply_tokens,
        }

    def read(self, connection: Connection, asked: TurnTask, options: TurnOptions) -> TurnInput:
        """The input of a turn.

        Raises:
            NotFound: SPEAKER_GONE, MODEL_UNKNOWN and others.
        """
        conversation, above, reply = asked.conversation, asked.above, asked.reply
        character, card, group, beside = self._speaker(connection, asked)
        card, own = _overridden(card, conversation)
        language = self.language(character)
        task: Task | None = "impersonate" if asked.kind == "impersonate" else None
        choice = self.choice(connection, conversation, options, character.id, task)
        preset = asked.preset or self.preset(connection, conversation, options, language, choice)
        model = self._models().windowed(choice.model)
        scripts = scripts_in_force(connection, character, card, preset)
        budget = allowed_window(model, self._settings)
        # An imported preset may ask for a larger window, for which more of the history is read.
        if preset.source == "sillytavern" and preset.params.context_tokens:
            budget = max(budget, min(model.context_tokens, preset.params.context_tokens))
        # From tokens to characters: history is read by its size on disk, counted only later.
        budget *= CHARS_PER_TOKEN
        history = load_history(connection, above, budget)
        persona = load_persona(connection, conversation.persona_id)
        ours = self._group_language(connection, conversation.group_id) if conversation.group_id else language
        cast, kept = [character, *beside], kept_beside(connection, conversation.id)
        return TurnInput(
            kind=asked.kind,
            text=asked.text,
            character=character,
            card=card,
            conversation=conversation,
            user=self._called(options, persona, ours),
            persona=persona.description if persona else "",
            history=history.messages,
            earlier_events=history.events,
            length=above.depth + 1 if above else 0,
            replies=history.counts["assistant"],
            said=history.counts["user"],
            token_factor=load_token_factor(connection, model.model),
            counts=self._models().counts(model),
            preset=preset,
            books=tuple(_books(connection, cast, conversation, persona)),
            scripts=tuple(script for script in scripts if script.name not in choice.excluded),
            state=branch_state(connection, above),
            global_variables=load_globals(connection),
            settings=self._settings,
            language=language,
            mode=options.mode or conversation.mode,
            reply_id=reply.id if reply else "",
            model=model,
            partial=asked.partial,
            attempt=reply.swipe if reply else 0,
            group=group,
            request=reply.request if reply else "",
            templates=tuple(_templates(connection)) if model.mode == "text" else (),
            parameters=options.parameters,
            above=history.above,
            event_ids=history.event_ids,
            memory=self._memory(connection, asked, history) if "memories" in kept else None,
            trackers=_trackers(connection, asked, history) if "trackers" in kept else (),
            passages=self._passages(connection, asked, history, cast) if "documents" in kept else (),
            reach=self._reach(asked, cast) if "documents" in kept else None,
            direction=options.direction,
            start=options.direction.start or reply_start(conversation) or choice.start,
            profiled=choice.sampling,
            template_parts=choice.parts,
            profiles=choice.profiles,
            gaps=choice.gaps,
            wanted=options.replies,
            shown=asked.pictures,
            picture_data=self._picture_data(connection, asked, history, model, options),
            injections=_injections(conversation),
            overridden=own,
        )

    def _picture_data(
        self,
        connection: Connection,
        asked: TurnTask,
        history: History,
        model: ModelSpec,
        options: TurnOptions,
    ) -> Mapping[str, bytes]:
        """The bytes of the pictures that the model is shown: the newest, as far as a request takes them."""
        refs = [ref for message in history.messages if not message.hidden for ref in message.pictures]
        refs += asked.pictures
        if not refs or not self._models().takes_pictures(model):
            return {}
        from lunalux_core.dialogue.picture_choice import chosen_pictures

        return chosen_pictures(connection, refs, options.pictures)

    def _memory(self, connection: Connection, asked: TurnTask, history: History) -> StoryMemory | None:
        """What the story remembers on the branch of the reply, the words that it answers included."""
        return self._memories.read(connection, asked.conversation.id, frozenset(_path(asked, history)))

    def _passages(
        self, connection: Connection, asked: TurnTask, history: History, cast: Sequence[Character]
    ) -> tuple[Passage, ...]:
        """Passages of the data bank that the last messages call for."""
        from lunalux_core.library.bank_documents import called_passages

        reach = self._reach(asked, cast)
        if reach is None:
            return ()
        said = [message.content for message in history.messages if not message.hidden]
        texts = [*said, asked.text][-self._settings.memory_scan_depth :]
        return tuple(called_passages(connection, texts, reach))

    def _reach(self, asked: TurnTask, cast: Sequence[Character]) -> Reach | None:
        """Whose documents count; None where they have no share of the window."""
        from lunalux_core.library.bank_documents import Reach

        if not self._settings.bank_share:
            return None
        return Reach(asked.conversation.id, tuple(character.id for character in cast))

    def _speaker(
        self, connection: Connection, asked: TurnTask
    ) -> tuple[Character, Card, GroupContext | None, list[Character]]:
        """Who speaks, with which card, in which group, and whose worldbooks take part beside its own."""
        conversation = asked.conversation
        if not conversation.group_id:
            character = asked.character or load_character(connection, conversation.character_id)
            return character, parsed_card(character.document), None, []
        from lunalux_core.groups.group_prompt import group_prompt, load_speaker

        character = load_speaker(connection, asked.reply, asked.speaker)
        group = group_prompt(connection, conversation.group_id, character)
        return character, group.card, group.context, [card.character for card in group.beside]

    def _language_of(self, connection: Connection, conversation: Conversation) -> Language:
        """The language of a conversation: its character's, of a group the first member's."""
        if conversation.group_id:
            return self._group_language(connection, conversation.group_id)
        return self.language(load_character(connection, conversation.character_id))

    def _group_language(self, connection: Connection, group_id: str) -> Language:
        """The language of the first member, the interface's without one."""
        return self._known_language(first_language(connection, group_id))

    def language(self, character: Character) -> Language:
        """The language of a character; the interface's where it is unknown."""
        return self._known_language(character.summary.language)

    def _known_language(self, name: str) -> Language:
        return "zh" if name == "zh" else "en" if name == "en" else self._settings.lang

    def preset(
        self,
        connection: Connection,
        conversation: Conversation,
        options: TurnOptions,
        language: Language,
        choice: Choice | None = None,
    ) -> Preset:
        """The named preset, else the conversation's, the profiles', the enabled one of the shelf, the
        setting's.
        """
        from lunalux_core.presets.builtin import BUILTIN_KEYS, load_builtin
        from lunalux_core.presets.document import read_preset

        if choice is None:  # whatever becomes of the model
            chosen, first = self._chooser(connection, conversation, options, "").preset()
        else:
            chosen, first = choice.preset, choice.own_preset
        named = options.preset or (chosen if first else "") or conversation.preset_id or chosen
        item = None if named else first_item(connection, "preset")
        named = named or self._settings.preset
        item = item or first_item(connection, "preset", named)
        if item is not None:
            return read_preset(item.document, item.name).preset
        return load_builtin(named if named in BUILTIN_KEYS or options.preset else DEFAULT_PRESET, language)


def reply_start(conversation: Conversation) -> ReplyStart | None:
    """What the replies of a chat begin with; None where it does not say."""
    value = conversation.reply_start.get("value")
    if not isinstance(value, str) or not value.strip():
        return None
    from lunalux_core.templates.template_values import ReplyStart

    return ReplyStart("", value, conversation.reply_start.get("show") is not False)


def _overridden(card: Card, conversation: Conversation) -> tuple[Card, tuple[str, ...]]:
    """The card with the texts that the chat has in the place of its own, and what those are."""
    if not conversation.metadata:  # nearly every chat that was begun here
        return card, ()
    from lunalux_core.dialogue.chat_texts import overrides_in

    overrides = overrides_in(conversation.metadata)
    if overrides is None:
        return card, ()
    return card.with_edits(overrides.card_edits()), tuple(overrides.named)


def _injections(conversation: Conversation) -> tuple[ChatInjection, ...]:
    """The texts that scripts put into a chat."""
    if not conversation.metadata:
        return ()
    from lunalux_core.dialogue.chat_texts import injections_in

    return injections_in(conversation.metadata)


def _books(
    connection: Connection,
    characters: Sequence[Character],
    conversation: Conversation,
    persona: Persona | None,
) -> list[ActiveBook]:
    """The active books of all characters in the prompt, each once."""
    books: list[ActiveBook] = []
    for character in characters:
        card = parsed_card(character.document)
        for book in active_books(connection, card, character.document, conversation, persona, character.id):
            # By identity: the same parsed book comes from the cache for each member that names it.
            if all(book.book is not other.book or book.source != other.source for other in books):
                books.append(book)
    return books


def scripts_in_force(
    connection: Connection, character: Character, card: Card, preset: Preset
) -> list[RegexScript]:
    """Global scripts, then the card's own where the person allowed them, then the preset's."""
    from lunalux_core.regex.script import read_script, scripts_inside

    shelf = load_shelf(connection, "regex", enabled_only=True)  # whose switch counts, not the document's
    scripts = [replace(read_script(item.document), disabled=False) for item in shelf]
    if character.scripts_allowed and card.regex_scripts:
        scripts += scripts_inside(card.regex_scripts)
    if preset.regex_scripts:
        scripts += scripts_inside(preset.regex_scripts)
    return scripts


def _path(asked: TurnTask, history: History) -> list[str]:
    """Ids of the messages above a reply, the words that it answers included, the lowest first."""
    path = [*history.above, *(message.id for message in history.messages)][::-1]
    if asked.reply is not None and asked.reply.parent_id and asked.reply.parent_id not in path[:1]:
        # The words that are answered stand between the history and the reply.
        path.insert(0, asked.reply.parent_id)
    return path


def _trackers(connection: Connection, asked: TurnTask, history: History) -> tuple[TrackerState, ...]:
    """The trackers, as the branch of the reply sees them."""
    from lunalux_core.library.trackers import states_on_branch

    return tuple(states_on_branch(connection, asked.conversation.id, _path(asked, history)))


def _templates(connection: Connection) -> Sequence[StoredTemplate]:
    """The templates of the library: few turns need them."""
    from lunalux_core.library.templates import load_templates

    return load_templates(connection)
