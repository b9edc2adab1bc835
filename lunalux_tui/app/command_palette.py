"""The command palette: every declared action of the screen and of the app, themes and languages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.actions import parse
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.types import IgnoreReturnCallbackType

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, key_name, keys_of, reachable
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.theme.themes_dialog import title_of

if TYPE_CHECKING:
    from lunalux_tui.chat.host import ChatHost


class Commands(Provider):
    """What the palette offers here and now."""

    def _commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        from lunalux_tui.app.plugins import palette_commands, start_command

        app = cast("ChatHost", self.app)
        for action, node in reachable(self.app, self.screen).items():
            if action.palette and self._can(action, node):
                keys = keys_of(action, app.keymap)
                title = f"{action.label}  {key_name(keys[0])}" if keys else action.label
                run = partial(self.app.run_action, action.method, node)
                yield title, action.help, run
        for language, name in LANGUAGES.items():
            yield (
                t("palette.language", name=name),
                t("palette.language_help"),
                partial(app.switch_language, language),
            )
        for theme in app.theme_names():
            yield (
                t("palette.theme", name=title_of(theme)),
                t("palette.theme_help"),
                partial(app.change_theme, theme),
            )
        for plugin, command in palette_commands(app):
            help = clean_line(command.help, 200) or plugin
            yield clean_line(command.title, 80), help, partial(start_command, app, plugin, command)

    def _can(self, action: Action, node: DOMNode) -> bool:
        """Whether the action makes sense now."""
        namespace, name, parameters = parse(action.method)
        target = {"app": self.app, "screen": self.screen}.get(namespace, node)
        return target.check_action(name, parameters) is not False

    async def discover(self) -> Hits:
        for title, help, run in self._commands():
            yield DiscoveryHit(Content(title), run, text=title, help=help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        any_hit = False
        for title, help, run in self._commands():
            score = max(matcher.match(title), matcher.match(help) * 0.6)
            if score > 0:
                any_hit = True
                yield Hit(score, matcher.highlight(title), run, text=title, help=help)
        if not any_hit:  # in the language of the program, which the palette itself does not know
            title, helped = t("palette.nothing"), t("palette.nothing_help")
            yield Hit(1, Content(title), partial(self.app.run_action, "app.help"), text=title, help=helped)
