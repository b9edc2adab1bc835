"""The panel over every screen while another device has the session: what happened, that nothing is lost,
and the way back. It takes no focus, so that whoever is typing goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.screen import Screen

from lunalux_core.account import AccountState
from lunalux_tui.actions import actions_of, key_name, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Part, keymap_of
from lunalux_tui.parts.panel import Panel
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, MUTED

ACTION = "app.sign_in_again"
OWN = "user"
"""The place that says it in a panel of its own."""


class TakenOverPanel(Panel):
    """Shown while another device has the session; removed when somebody signs in."""

    DEFAULT_CSS = "TakenOverPanel { dock: top; margin: 0; padding: 0; }"

    def on_mount(self) -> None:
        self.watch(self.app, "account", self._follow)

    def _follow(self, state: AccountState | None) -> None:
        self.account = state

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        if self.account is None or self.account.status != "taken_over":
            return ()
        keys = [
            key
            for action in actions_of(self.app)
            if action.id == ACTION
            for key in keys_of(action, keymap_of(self))
        ]
        label = " · ".join([t("action.account.sign_in.label"), *map(key_name, keys[:1])])
        lines = wrap([(f"⚠ {t('account.notice.taken_over')}", ERROR | BOLD)], width)
        hint = wrap([(t("account.notice.taken_over_hint"), MUTED)], width)
        return [
            *(tuple(Part(text, style) for text, style in line) for line in (*lines, *hint)),
            (Part(f"[ {label} ]", ACCENT | BOLD, ACTION),),
        ]


def show_taken_over(screens: Iterable[Screen[Any]]) -> None:
    """Put the panel over those screens that are places of the app and do not have it yet."""
    for screen in screens:
        # A dialog has no place and counts as covered: the screen under it shows the panel.
        covered = getattr(screen, "PLACE", OWN) == OWN or screen.query(TakenOverPanel)
        if screen.is_mounted and not covered:
            screen.mount(TakenOverPanel())
