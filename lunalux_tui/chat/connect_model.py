"""A model in three steps: who runs it, the key, which one; then it is in use."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.config.settings import SavedModel
from lunalux_core.errors import InvalidInput, LunaluxError, NetworkError
from lunalux_core.llm.model_registry import Registry, saved_specs
from lunalux_core.text import clean_line
from lunalux_tui.i18n import in_a_row, t, tell
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.model_kinds import ANOTHER, KINDS, place
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.llm.probe import ModelTest
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.protocols import Asker
    from lunalux_tui.parts.host import Host

LONGEST_NAME = 60


class ModelConnector:
    """Asks for what a new model needs, and nothing else; everything else has its default."""

    def __init__(self, runtime: Runtime, host: Host, view: Asker) -> None:
        self._runtime = runtime
        self._host = host
        self._view = view

    async def connect(self, kind: str) -> str:
        """Save a model of a kind (`model_kinds.KINDS`) and put it in use; its name, "" where the person
        left it. What was typed is asked again where the server refuses it."""
        config, where = KINDS[kind], place(kind)
        if kind == ANOTHER:
            address = await self._view.ask(AskDialog(t("connect.address"), value=config.base_url))
            if not address:
                return ""
            config = replace(config, base_url=address)
        trouble = ""
        while True:
            hint = trouble or t("connect.key_hint" if kind != ANOTHER else "connect.key_maybe")
            title = t("connect.key", where=where)
            # None is a way out; an empty key is right for servers without one.
            key = await self._view.ask(AskDialog(title, hint=hint, secret=True))
            if key is None:
                return ""
            self._view.say(t("connect.asking", where=where))
            try:
                names = await self._models(config, key)
            except LunaluxError as error:
                trouble = in_a_row(*tell(error))
                # Another key mends no wrong address.
                if isinstance(error, NetworkError) and kind == ANOTHER:
                    self._view.say(trouble, warn=True)
                    return ""
                continue
            return await self._choose(config, key, names, where)

    async def _models(self, config: SavedModel, key: str) -> tuple[str, ...]:
        """What the server has. Raises as `Registry.models_of`."""
        (spec,) = saved_specs([replace(config, name="new", model="new")])
        registry = Registry([spec], key=lambda _: key)
        try:
            return await registry.models_of(spec)
        finally:
            await registry.aclose()

    async def _choose(self, config: SavedModel, key: str, names: tuple[str, ...], where: str) -> str:
        rows = [Row(name, name) for name in names]
        model = await self._view.ask(
            PickDialog(t("connect.model", where=where), rows)
            if rows
            else AskDialog(t("connect.model", where=where), hint=t("connect.no_list"))
        )
        if not model:
            return ""
        return await self._save(replace(config, model=model), key)

    async def _save(self, config: SavedModel, key: str) -> str:
        from lunalux_core.config.saved_models import save_configuration

        settings, credentials = self._runtime.settings, self._runtime.credentials
        # "practice" is the built-in model.
        named = replace(config, name=free_name(config.model, {*settings.models, "practice"}))
        try:
            changed = await asyncio.to_thread(save_configuration, settings, credentials, named, key=key)
        except InvalidInput as error:
            self._view.say(tell(error)[0], warn=True)
            return ""
        self._host.apply_settings(changed)
        self._host.change_setting("chat.model", named.name)
        return named.name

    async def greet(self, name: str) -> None:
        """Ask the model for a few words and tell them as soon as they come."""
        from lunalux_core.llm.probe import probe

        models = self._runtime.models
        try:
            result = await probe(models.open(models.resolve(name)))
        except LunaluxError as error:
            self._view.say(in_a_row(*tell(error)), warn=True)
        else:
            self._view.say(_greeting(name, result))


def free_name(model: str, taken: set[str]) -> str:
    """A name for a model that nobody has: the last part of its own, with a number if need be."""
    short = clean_line(model.rpartition("/")[2].replace(":", " "), LONGEST_NAME) or "model"
    name, number = short, 1
    while name in taken:
        number += 1
        name = f"{short} {number}"
    return name


def _greeting(name: str, result: ModelTest) -> str:
    sample, first = clean_line(result.sample, 60), f"{result.first_seconds:.2f}"
    return t("connect.in_use", name=name, sample=sample, first=first)
