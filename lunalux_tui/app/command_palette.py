"""The command palette: commands, places, settings, characters, conversations, themes, languages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from textual import on
from textual.actions import parse
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Matcher, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.markup import escape
from textual.types import IgnoreReturnCallbackType
from textual.widgets import Input, OptionList
from textual.worker import Worker, WorkerState

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, first_key, reachable
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.render.message import moment
from lunalux_tui.theme.themes_dialog import title_of

if TYPE_CHECKING:
    from lunalux_tui.chat.chat_host import ChatHost

BY_TITLE, BY_WORD, BY_HELP, BY_LETTERS = 4.0, 3.0, 2.0, 1.0
"""How well words fit: they begin the title, stand in it, stand in the help, or only their letters do."""
PLACES_FIRST = 0.5
PHRASE = 0.6
"""More than `PLACES_FIRST`: words in the order in which they stand in the help are meant."""
EXACT = 0.3
"""What fits alike stands in the order of the declarations."""
WIDTH, PADDING = 96, 2
"""Cells of the palette, as its style sheet has it, and of an offer's margins."""
FOUND_MOST = 8
"""Characters, groups and conversations that are offered; whoever wants more goes to their lists."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something the palette leads to or does. `extra` is taken in account where offers fit alike."""

    title: str
    help: str
    run: IgnoreReturnCallbackType
    extra: float = 0.0
    key: str = ""


def fits(offer: Offer, query: str, matcher: Matcher) -> float:
    """How well an offer fits what was typed; 0 when it does not."""
    title, about = offer.title.casefold(), offer.help.casefold()
    words = query.casefold().split()
    if offer.key and words == [offer.key.casefold()]:
        return BY_TITLE + EXACT + offer.extra
    if title.startswith(" ".join(words)):
        score = BY_TITLE
    elif all(word in title for word in words):
        score = BY_WORD
    elif " ".join(words) in about:
        score = BY_HELP + PHRASE
    elif all(word in title or word in about for word in words):
        score = BY_HELP
    elif (letters := matcher.match(offer.title)) > 0:
        # However well letters fit, what has the words stands above.
        return BY_LETTERS * min(letters / 100, 0.9)
    else:
        return 0.0
    whole = EXACT if title == " ".join(words) else 0.0
    return score + offer.extra + whole


def with_key(title: Content, key: str, width: int) -> Content:
    """A title with its key at the right end of its line, in a palette on a screen of `width` cells."""
    if not key:
        return title
    room = min(WIDTH, width - 2) - 2 * PADDING - 1  # the scroll bar
    gap = max(room - title.cell_length - cell_len(key), 2)
    return Content.assemble(title, " " * gap, (key, "$secondary"))


class Offers(Provider):
    """What all sources of the palette share: how well something fits, and how it is shown."""

    @property
    def host(self) -> ChatHost:
        return cast("ChatHost", self.app)

    def hit(self, offer: Offer, query: str) -> Hit | None:
        """The row of an offer, None where the words do not fit."""
        matcher = self.matcher(query)
        score = fits(offer, query, matcher)
        if not score:
            return None
        title = with_key(matcher.highlight(offer.title), offer.key, self.app.size.width)
        return Hit(score, title, offer.run, text=offer.title, help=escape(offer.help))


class Stories(Offers):
    """The characters, groups and conversations of the library, by name and title."""

    async def stories(self, query: str) -> Hits:
        """Those that fit what was typed, at most `FOUND_MOST`."""
        # While a dialog waits for an answer, nobody is led away from it.
        if not self.app.check_action("go", ("chat",)):
            return
        count = 0
        async for offer in self._fitting(query):
            if (hit := self.hit(offer, query)) is not None:
                yield hit
                if (count := count + 1) == FOUND_MOST:
                    return

    async def _fitting(self, query: str) -> AsyncIterator[Offer]:
        app = self.host
        library = app.runtime.library
        for character in await library.characters.list(query, limit=FOUND_MOST):
            help = clean_line(character.intro, 120) or t("palette.character_help", name=character.name)
            yield Offer(
                t("palette.character", name=character.name), help, partial(app.open_character, character.id)
            )
        for group in await library.groups.list(query):
            run = self._to_chat(partial(app.chat.objects.opener.open_group, group.id))
            yield Offer(t("palette.group", name=group.name), clean_line(", ".join(group.names), 120), run)
        for told in await library.conversations.last_words(query, limit=FOUND_MOST):
            run = self._to_chat(partial(app.chat.objects.opener.open_conversation, told.id))
            title = clean_line(told.title, 80) or moment(told.updated_at)
            words = clean_line(f"{told.speaker}: {told.words}" if told.speaker else told.words, 120)
            yield Offer(t("palette.conversation", title=title, name=told.name), words, run)

    def _to_chat(self, open_it: Callable[[], Coroutine[Any, Any, None]]) -> IgnoreReturnCallbackType:
        """Go to the chat, and open something there."""
        return partial(self.host.open_in_chat, open_it)


class Commands(Stories):
    """These too, every declared action of screen and app, the settings, themes and languages."""

    def _commands(self) -> Iterator[Offer]:
        from lunalux_tui.app.plugin_parts import palette_commands, start_command

        app = self.host
        for action, node in reachable(self.app, self.screen).items():
            if action.palette and self._can(action, node):
                run = partial(self.app.run_action, action.method, node)
                first = PLACES_FIRST if action.group == "go" else 0.0
                yield Offer(action.label, action.help, run, first, first_key(action, app.keymap))
        for language, name in LANGUAGES.items():
            yield Offer(
                t("palette.language", name=name),
                t("palette.language_help"),
                partial(app.switch_language, language),
            )
        for theme in app.theme_names():
            yield Offer(
                t("palette.theme", name=title_of(theme)),
                t("palette.theme_help"),
                partial(app.change_theme, theme),
            )
        for plugin, command in palette_commands(app):
            help = clean_line(command.help, 200) or plugin
            yield Offer(clean_line(command.title, 80), help, partial(start_command, app, plugin, command))

    def _settings(self) -> Iterator[Offer]:
        """The sections of the settings, and every setting."""
        from lunalux_core.config.settings import DECLARATIONS
        from lunalux_tui.settings.sections import SECTIONS, section_of
        from lunalux_tui.settings.sections.setting_values import help_of, label_of

        app = self.host
        if not self.app.check_action("settings", ()):
            return
        for section in SECTIONS:
            title = t("palette.section", title=section.title)
            yield Offer(title, section.help, partial(app.action_settings, section.id), PLACES_FIRST / 2)
        for setting in DECLARATIONS.values():
            if (place := section_of(setting.key)) is not None:
                title = t("palette.setting", label=label_of(setting))
                run = partial(app.action_settings, place.id, setting.key)
                yield Offer(title, f"{help_of(setting)}  {setting.key}", run)

    def _can(self, action: Action, node: DOMNode) -> bool:
        """Whether the action makes sense now."""
        namespace, name, parameters = parse(action.method)
        target = {"app": self.app, "screen": self.screen}.get(namespace, node)
        return target.check_action(name, parameters) is not False

    async def discover(self) -> Hits:
        for offer in self._commands():
            title = with_key(Content(offer.title), offer.key, self.app.size.width)
            yield DiscoveryHit(title, offer.run, text=offer.title, help=escape(offer.help))

    async def search(self, query: str) -> Hits:
        any_hit = False
        for offer in (*self._commands(), *self._settings()):
            if (hit := self.hit(offer, query)) is not None:
                any_hit = True
                yield hit
        async for story in self.stories(query):
            any_hit = True
            yield story
        if not any_hit:  # in the language of the program, which the palette itself does not know
            title, helped = t("palette.nothing"), t("palette.nothing_help")
            yield Hit(0.01, Content(title), partial(self.app.run_action, "app.help"), text=title, help=helped)


class Palette(CommandPalette):
    """Enter takes what fits all that was typed: while that is looked for it waits, and runs nothing that
    stood there before."""

    CSS = """
    Palette > Vertical { width: 96; max-width: 100%; margin-top: 2; background: $surface; }
    Palette #--input { border: none; background: $panel; padding: 0; }
    Palette #--input Label { margin-top: 0; }
    Palette CommandList { border: none; background: $surface; scrollbar-size-vertical: 1;
      scrollbar-background: $surface; scrollbar-color: $panel; }
    Palette CommandList > .option-list--option-highlighted { background: $background; color: $accent; }
    Palette CommandList > .option-list--option { text-style: none; }
    Palette > .command-palette--help-text { color: $secondary; text-style: none; }
    Palette LoadingIndicator { border-bottom: none; }
    """

    _waits = False

    @property
    def _looks(self) -> bool:
        return any(worker.node is self and not worker.is_finished for worker in self.workers)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if self._looks:
            self._waits = True
            event.prevent_default()
            event.stop()

    @on(Worker.StateChanged)
    def _search_ended(self, event: Worker.StateChanged) -> None:
        if self._waits and not self._looks and event.state is WorkerState.SUCCESS:
            self._waits = False
            self.query_one(OptionList).action_select()
