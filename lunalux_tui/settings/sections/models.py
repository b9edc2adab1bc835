"""Models: own configurations, what the environment and local servers offer, official ones and practice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import work

from lunalux_core.config.settings import SavedModel
from lunalux_core.errors import LunaluxError
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.explanation import Explanation
from lunalux_tui.parts.model_kinds import KINDS
from lunalux_tui.parts.models_dialog import official_row, own_row
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.settings.sections import Section
from lunalux_tui.settings.sections.section_view import WORK, SectionView, through

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_tui.settings.model_dialog import ModelDraft


class ModelsSection(SectionView):
    """Enter puts the model under the cursor in use."""

    DOES = (
        Action("models.use", "choose", "enter,space", footer=1, palette=False),
        Action("models.add", "add", "n,a", footer=2),
        Action("models.edit", "edit", "e", footer=3),
        Action("models.test", "test", "t", footer=4),
        Action("models.list", "list", "l", footer=5),
        Action("models.remove", "remove", "d,delete", footer=6),
    )
    ACTIONS = through(DOES)
    BINDINGS = bindings(ACTIONS)

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self._specs: dict[str, ModelSpec] = {}
        self._servers: dict[str, ModelSpec] = {}
        self._local: tuple[ModelSpec, ...] = ()
        self._official: Sequence[Mapping[str, Any]] = ()
        self._told: dict[str, Explanation] = {}

    # -- what is shown -----------------------------------------------------------------------------

    def read(self) -> None:
        self._show()
        self._look_around()

    @work(group="read", exclusive=True, exit_on_error=False)
    async def _look_around(self) -> None:
        """Local servers and the price list come in while the list is shown."""
        from lunalux_core.llm.servers.local import local_servers

        self._local = await local_servers()
        self._show()
        state = await self.runtime.account.load()
        if not state.models:
            try:
                state = await self.runtime.account.ensure()
            except LunaluxError:
                return  # own models need no backend; the user screen tells about it
        self._official = state.models
        self._show()

    def _show(self) -> None:
        models, used = self.runtime.models, self.settings.model
        self._specs = {spec.name: spec for spec in (*models.specs(), *self._local)}
        self._servers = {spec.name: spec for spec in models.connections()}
        rows = [self._row(own_row(spec)) for spec in models.specs()]
        # A model of a server is in no list here until the server is asked, but what is in use is always
        # shown.
        if used not in self._specs and not used.startswith("official:"):
            rows.insert(0, Row(used, used, mark="✓"))
        for spec in self._servers.values():
            rows.append(Row(spec.name, t(f"model.environment_{spec.provider}"), right="▸", mark=" "))
        here = t("model.local_short")
        rows += [Row(spec.name, spec.name, right=here, mark=self._mark(spec.name)) for spec in self._local]
        official = (official_row(row) for row in self._official)
        rows += [Row(row.id, row.title, right=row.right, mark=self._mark(row.id)) for row in official]
        # Only the first time: later readings leave the cursor where the person put it.
        self.show(rows, at=None if self.rows else used)
        self.refresh_bindings()

    def _row(self, row: Row) -> Row:
        right = "" if row.id == "practice" else row.detail
        return Row(row.id, row.title, right=right, mark=self._mark(row.id))

    def _mark(self, name: str) -> str:
        return "✓" if name == self.settings.model else " "

    def explain(self, row_id: str) -> Explanation:
        if row_id in self._told:
            return self._told[row_id]
        spec = self._specs.get(row_id)
        if row_id.startswith("official:"):
            names = {row.id: row.title for row in self.rows}
            return Explanation(names.get(row_id, row_id), t("model.official_help"))
        if row_id in self._servers:
            return Explanation(row_id, t("model.environment_help"))
        if spec is None:
            return super().explain(row_id)
        if spec.provider == "practice":
            return Explanation(t("model.practice"), t("model.practice_help"))
        return Explanation(spec.name, t("model.own_help"), self._facts(spec))

    def _facts(self, spec: ModelSpec) -> list[tuple[str, str]]:
        facts = [
            (t("model.form.model"), spec.model),
            (t("model.form.base_url"), spec.base_url or t(f"model.{spec.provider}_home")),
            (t("model.form.context_tokens"), f"{spec.context_tokens:,}"),
        ]
        config = self.settings.models.get(spec.name)
        if config is not None:
            if config.key_env:
                facts.append((t("model.form.key"), f"${config.key_env}"))
            from lunalux_tui.settings.model_dialog import written

            for name, value in config.sampling.items():
                facts.append((t(f"model.form.{name}"), written(value)))
        return facts

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        own = self.chosen in self.settings.models
        if action in {"edit", "remove"}:
            return own
        if action == "test":
            return bool(self.chosen) and self.chosen not in self._servers
        if action == "list":
            return own or self.chosen in self._servers
        return True

    def watch_cursor(self) -> None:
        super().watch_cursor()
        self.refresh_bindings()

    # -- one model ---------------------------------------------------------------------------------

    def action_choose(self) -> None:
        if self.chosen in self._servers:
            self.action_list()
        elif self.chosen:
            self.lunalux.change_setting("chat.model", self.chosen)

    @work(group="test", exclusive=True, exit_on_error=False)
    async def action_test(self) -> None:
        from lunalux_core.llm.probe import probe
        from lunalux_tui.settings.model_dialog import answer_of

        name = self.chosen
        self._tell(name, Explanation(name, t("model.asking")))
        try:
            models = self.runtime.models
            result = await probe(models.open(models.resolve(name)))
        except LunaluxError as error:
            message, hint = tell(error)
            self._tell(name, Explanation(name, hint, trouble=message))
            return
        self._tell(name, Explanation(name, answer_of(result)))

    def _tell(self, name: str, told: Explanation) -> None:
        self._told[name] = told
        self.host.explain()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_list(self) -> None:
        spec = self._servers.get(self.chosen) or self._specs.get(self.chosen)
        if spec is None:
            return
        names = await self.runtime.models.models_of(spec)
        rows = [Row(name, name) for name in names]
        name = await self.app.push_screen_wait(PickDialog(t("model.on_server"), rows, current=spec.model))
        config = self.settings.models.get(spec.name)
        if name and config is not None:
            from dataclasses import replace

            await self._save(replace(config, model=name))
        elif name:
            self.lunalux.change_setting("chat.model", f"{spec.name}{name}")

    # -- own configurations ------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_add(self) -> None:
        rows = [
            Row(kind, t(f"model.kind.{kind}"), right=config.base_url.removeprefix("http://"))
            for kind, config in KINDS.items()
        ]
        kind = await self.app.push_screen_wait(PickDialog(t("model.kind.title"), rows))
        if kind:
            await self._edit(KINDS[kind], t(f"model.kind.{kind}"), f"model:new:{kind}")

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_edit(self) -> None:
        config = self.settings.models.get(self.chosen)
        if config is not None:
            await self._edit(config, config.name, f"model:{config.name}")

    async def _edit(self, config: SavedModel, title: str, key: str) -> None:
        """Ask for a configuration, whose unsaved words are kept under `key`, and save it."""
        from lunalux_core.library.cells import object_in, plain_text
        from lunalux_tui.settings.model_dialog import ModelDialog

        taken = frozenset(name for name in self._specs if name != config.name)
        kept = self.runtime.library.drafts.of(key)
        written = {name: plain_text(text) for name, text in object_in(await kept.read()).items()}
        dialog = ModelDialog(self.runtime, config, title, taken, written=written, keep=kept.keep)
        draft: ModelDraft | None = await self.app.push_screen_wait(dialog)
        await kept.keep(dialog.unsaved)  # until it stands where it belongs
        if draft is not None:
            await self._save(draft.config, draft.key, config.name)
            await kept.forget()
            self.set_rows(self.rows, at=draft.config.name)
        elif dialog.unsaved:
            self.app.notify(t("dialog.draft_kept"), markup=False)

    async def _save(self, config: SavedModel, key: str = "", former: str = "") -> None:
        from lunalux_core.config.saved_models import save_configuration

        settings = await asyncio.to_thread(
            save_configuration, self.settings, self.runtime.credentials, config, key=key, former=former
        )
        # What a test said was about the configuration as it was.
        self._told.pop(config.name, None)
        self.lunalux.apply_settings(settings)
        self._show()

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_remove(self) -> None:
        from lunalux_core.config.saved_models import remove_configuration

        name = self.chosen
        question = t("model.remove.question", name=name)
        if name in self.settings.models and await self.app.push_screen_wait(
            ConfirmDialog(t("model.remove.title"), question)
        ):
            settings = await asyncio.to_thread(
                remove_configuration, self.settings, self.runtime.credentials, name
            )
            self.lunalux.apply_settings(settings)
