"""Which model answers: choose one, connect a new one, follow what profiles choose."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import LunaluxError
from lunalux_tui.chat.protocols import Asker, Background
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.parts.host import Host


class ModelName(Protocol):
    """Where the model is named (`pane.ChatPane`)."""

    chosen_model: str
    """The model that profiles choose here, "" where the one of the settings answers."""

    def show_chosen_model(self, name: str) -> None:
        """Name that model."""


class ModelView(Asker, Background, Protocol):
    """What these actions ask of the screen."""


class ModelActions:
    """Actions on the model that answers."""

    def __init__(
        self, runtime: Runtime, opener: Opener, named: ModelName, host: Host, view: ModelView
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._named = named
        self._host = host
        self._view = view

    async def choose(self) -> None:
        """Choose among the models that are saved or found, or connect a new one."""
        from lunalux_tui.parts.models_dialog import CONNECT, ModelsDialog

        name = await self._view.ask(ModelsDialog(self._runtime))
        if name and name.startswith(CONNECT):
            await self._connect(name.removeprefix(CONNECT))
        elif name:
            self._host.change_setting("chat.model", name)
            self._tell_of_profile(name)

    async def _connect(self, kind: str) -> None:
        """Make a new model: key, model, and it is in use."""
        from functools import partial

        from lunalux_tui.chat.connect_model import ModelConnector

        connector = ModelConnector(self._runtime, self._host, self._view)
        name = await connector.connect(kind)
        if name:
            self._tell_of_profile(name)
            # A later greeting takes the place of one that waits.
            self._view.run_in("greet", partial(connector.greet, name))

    def _tell_of_profile(self, name: str) -> None:
        """A model that profiles choose goes before the one of the settings."""
        chosen = self._named.chosen_model
        if chosen and chosen != name:
            self._view.say(t("profiles.model_wins", name=chosen), warn=True)

    async def preset(self) -> None:
        """The prompts of the preset in use, and the way to another one."""
        from lunalux_tui.parts.preset_choice import in_use
        from lunalux_tui.parts.preset_dialog import PresetDialog

        await self._view.ask(PresetDialog(await in_use(self._host)))

    async def profiles(self) -> None:
        """Which profile is in use where, and putting another one in use."""
        from lunalux_core.library.profiles import NOBODY
        from lunalux_tui.chat.profile_choice import places_of, profile_rows, row_of
        from lunalux_tui.parts.pick_dialog import PickDialog

        shelf = self._runtime.library.profiles
        profiles = await shelf.list()
        if not profiles:
            self._view.say(t("profiles.none"))
            return
        places, uses = places_of(self._open), await shelf.uses()
        names = {profile.id: profile.name for profile in profiles}
        place_rows = [
            row_of(key, place, names.get(uses.get(place.use, ""), "")) for key, place in places.items()
        ]
        key = await self._view.ask(PickDialog(t("profiles.title"), place_rows, hint=t("profiles.hint")))
        if not key:
            return
        place = places[key]
        used = uses.get(place.use, "")
        rows = profile_rows(profiles, used)
        chosen = await self._view.ask(PickDialog(place.title, rows, current=used or NOBODY, two_lines=True))
        if chosen:
            await shelf.use(place.use, "" if chosen == NOBODY else chosen)
            await self._opener.reload()
            name = names.get(chosen, t("profiles.nobody"))
            self._view.say(t("profiles.used", name=name, place=place.title))
            await self.follow_profiles()

    async def follow_profiles(self) -> None:
        """Name the model that profiles choose for the conversation that is open, where there are any."""
        conversation, name = self._open.conversation, ""
        if conversation is not None and await self._runtime.library.profiles.uses():
            with suppress(LunaluxError):  # the turn itself tells what is wrong
                choice = await self._runtime.chat.previews.choice(conversation.id)
                name = choice.model.name if choice.profiles else ""
        # Another conversation may have been opened meanwhile.
        if conversation is self._open.conversation and name != self._named.chosen_model:
            self._named.show_chosen_model(name)
