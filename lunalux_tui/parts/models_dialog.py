"""The model picker: saved models, the environment's servers, local servers, official models, practice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual import work
from textual.worker import Worker

from lunalux_core.errors import LunaluxError
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.servers.local import FoundModel
    from lunalux_core.runtime import Runtime


CONNECT = "connect "
"""Begins the answer that asks for a new model of a kind (`model_kinds.KINDS`)."""


class ModelsDialog(PickDialog):
    """Answers the name of a model, `CONNECT` with a kind, or None. What only a server knows comes in while
    the list is open.
    """

    TWO_LINES = True
    ACTIONS = (
        Action("models.load", "load(True)", "alt+l", priority=True, palette=False),
        Action("models.unload", "load(False)", "alt+u", priority=True, palette=False),
        Action("models.settings", "settings", "ctrl+n", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    ABOUT_A_ROW = frozenset({"load"})

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._rows = [own_row(spec) for spec in runtime.models.specs()]
        current = runtime.settings.model
        if current not in {row.id for row in self._rows}:
            # Only its server could name it, which may be off: what is in use stands in the list all the same.
            self._rows.insert(0, Row(current, current, t("model.in_use")))
        super().__init__(question("models.title"), self._rows, current=current, hint=question("models.hint"))

    def on_mount(self) -> None:
        super().on_mount()
        # The ways to a new model stand in the list before any server has answered.
        self._add([])
        for spec in self._runtime.models.connections():
            self._ask_server(spec)
        self._ask_local()
        self._ask_backend()
        self.query_one("#dialog").border_subtitle = t("dialog.models.asking")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        super().on_worker_state_changed(event)
        asking = any(worker.group == "models" and not worker.is_finished for worker in self.workers)
        if self.is_mounted and not asking:
            self.query_one("#dialog").border_subtitle = ""

    def _add(self, rows: list[Row]) -> None:
        ids = {row.id for row in self._rows}
        self._rows += [row for row in rows if row.id not in ids]
        self.show([*self._rows, *connect_rows()])

    @work(group="models", exit_on_error=False)
    async def _ask_server(self, spec: ModelSpec) -> None:
        try:
            names = await self._runtime.models.models_of(spec)
        except LunaluxError as error:
            self._tell(spec.name, error)
            return
        self._add(
            [Row(spec.name + name, name, t(f"model.{spec.provider}", server=spec.base_url)) for name in names]
        )

    @work(group="models", exit_on_error=False)
    async def _ask_local(self) -> None:
        from lunalux_core.llm.servers.local import found_models

        self._add([found_row(model) for model in await found_models()])

    @work(group="models", exit_on_error=False)
    async def _ask_backend(self) -> None:
        account = self._runtime.account
        state = await account.load()
        self._add([official_row(row) for row in state.models])
        if not state.models:
            state = await account.ensure()
            self._add([official_row(row) for row in state.models])

    def action_settings(self) -> None:
        """Leave for the models of the settings, where own ones are added and changed."""
        self.dismiss(None)
        self.lunalux.action_settings("models")

    @work(group="load", exclusive=True, exit_on_error=False)
    async def action_load(self, loaded: bool) -> None:
        """Have the server of the chosen model take it into memory, or out of it."""
        models, name = self._runtime.models, self.rows.chosen
        if not name:
            return
        self.notify(t("model.loading" if loaded else "model.unloading", name=name), markup=False)
        try:
            spec = models.resolve(name)
            await models.load(spec, loaded)
        except LunaluxError as error:
            self._tell(name, error)
            return
        window = f"{models.windowed(spec).context_tokens:,}"
        self.notify(t("model.loaded" if loaded else "model.unloaded", name=name, window=window), markup=False)

    def _tell(self, name: str, error: LunaluxError) -> None:
        message, _ = tell(error)
        self.notify(message, title=name, severity="warning", markup=False)


def connect_rows() -> list[Row]:
    """The ways to a new model, by company."""
    from lunalux_tui.parts.model_kinds import ANOTHER, HOSTED, place

    return [
        Row(CONNECT + kind, t("connect.row", where=place(kind)), t("connect.row_help"), mark="+")
        for kind in (*HOSTED, ANOTHER)
    ]


def own_row(spec: ModelSpec) -> Row:
    """A model that can be named without asking a server."""
    if spec.provider == "practice":
        return Row(spec.name, t("model.practice"), t("model.practice_help"))
    where = spec.base_url or t(f"model.{spec.provider}_home")
    return Row(spec.name, spec.name, f"{spec.model} · {where}")


def found_row(model: FoundModel) -> Row:
    """A model of a server on this machine: where, with which window, how large."""
    spec, facts = model.spec, []
    if spec.window_source == "server":
        facts.append(t("model.window", n=f"{spec.context_tokens:,}"))
    if model.size:
        facts.append(_bytes(model.size))
    unknown = spec.name.startswith(("local:", "local@"))
    title = t("model.local_any") if unknown else model.title
    where = t("model.local", server=f"{title} · {spec.base_url}")
    return Row(spec.name, spec.model, where, right=" · ".join(facts))


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def official_row(row: Mapping[str, Any]) -> Row:
    """A model of the price list: what a reply costs, and from which Lux level it is free."""
    prices = []
    if row["freeLevel"] >= 0:
        prices.append(
            t("model.free") if row["freeLevel"] == 0 else t("model.free_from", level=row["freeLevel"])
        )
    coins = []
    if row["allowStar"] and row["starCost"] >= 0:
        coins.append(t("model.stars", n=row["starCost"]))
    if row["allowLuna"] and row["lunaCost"] >= 0:
        coins.append(t("model.lunas", n=row["lunaCost"]))
    if coins:
        prices.append(t("model.or", one=coins[0], other=coins[1]) if len(coins) == 2 else coins[0])
    name = str(row["displayname"])
    return Row(f"official:{row['modelId']}", name, t("model.official"), right=" · ".join(prices), mark="✦")
