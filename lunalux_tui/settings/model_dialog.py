"""One model configuration: where the server is, which model, its key, and how it samples."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label

from lunalux_core.config.settings import SavedModel
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.additions import extra_body_of, headers_of, price_of
from lunalux_core.llm.model import IMAGE_USES, POST_PROCESSING, ModelOptions
from lunalux_core.llm.model_registry import Registry, credential_name, saved_specs
from lunalux_core.llm.parameters import GROUPS, PARAMETERS, Parameter, checked_value, kind_of
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.llm.probe import ModelTest
    from lunalux_core.runtime import Runtime


FIRST = frozenset({"name", "base_url", "model", "key"})
"""The fields that everybody needs; the others are folded away until they are asked for."""
ADDITIONS = ("extra_body", "drop", "headers", "price")
NO_DRAFT = frozenset({"key", "headers"})
"""Fields that may hold a secret, which is never written to a draft."""

_YES, _NO = frozenset({"yes", "true", "on", "1", "是"}), frozenset({"no", "false", "off", "0", "否"})


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """A configuration as the person left it; `key` is "" where the stored one stays."""

    config: SavedModel
    key: str = ""


class ModelDialog(FormDialog[ModelDraft], DraftDialog[ModelDraft]):
    """Answers a configuration ready to be saved, or None. Can ask the server before anything is saved.

    `unsaved` is what the person wrote, by field, as JSON; "" where all is as it was.

    Args:
        config: what to begin with; its name is "" for a new one.
        names: names that are taken by others.
        written: what was not saved last time, by field.
        keep: keeps `unsaved` while it is being written.
    """

    ACTIONS = (
        Action("model.save", "save", "ctrl+s", footer=1, priority=True, palette=False),
        Action("model.try", "try", "ctrl+t", footer=2, priority=True, palette=False),
        Action("model.list", "list", "ctrl+l", footer=3, priority=True, palette=False),
        Action("model.more", "more", "ctrl+o", footer=4, priority=True, palette=False),
        Action("model.saved", "saved", "ctrl+z", footer=5, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-form"

    def __init__(
        self,
        runtime: Runtime,
        config: SavedModel,
        title: str,
        names: frozenset[str],
        *,
        written: Mapping[str, str] | None = None,
        keep: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(title, hint=t("model.form.unsaved") if written else "")
        self.keep = keep
        self._written = written or {}
        self._other = dict(self._written)
        self._saved: dict[str, str] = {}
        self.unsaved = ""
        self._runtime = runtime
        self._config = config
        self._names = names
        self._has_key = bool(config.name) and bool(runtime.credentials.get(credential_name(config.name)))

    def compose_body(self) -> ComposeResult:
        config = self._config
        with VerticalScroll(id="fields", can_focus=False):
            yield from self._field("name", config.name, t("model.form.name_hint"))
            if config.provider != "gemini":
                yield from self._field("base_url", config.base_url, t("model.form.base_url_hint"))
            yield from self._field("model", config.model, t("model.form.model_hint"))
            hint = t("model.form.key_kept") if self._has_key else t("model.form.key_hint")
            yield from self._field("key", "", hint, password=True)
            yield Label(t("model.form.more"), id="form-more", classes="group", markup=False)
            yield from self._field("key_env", config.key_env, t("model.form.key_env_hint"))
            yield from self._field(
                "context_tokens", str(config.context_tokens or ""), t("model.form.context_tokens_hint")
            )
            options = config.options
            yield from self._field("timeout", _plain(options.timeout or None), t("model.form.timeout_hint"))
            stream = "" if options.stream else t("model.form.no")
            yield from self._field("stream", stream, t("model.form.stream_hint", no=t("model.form.no")))
            modes = ", ".join(POST_PROCESSING)
            yield from self._field(
                "post_process", options.post_process, t("model.form.post_process_hint", modes=modes)
            )
            yield from self._field(
                "thinking_marks", " ".join(options.thinking_marks), t("model.form.thinking_marks_hint")
            )
            yield from self._field("images", options.images, t("model.form.images_hint"))
            for name, typed in _additions(options).items():
                yield from self._field(name, typed, t(f"model.form.{name}_hint"))
            kind = kind_of(config.provider, config.base_url)
            for group in GROUPS:
                yield Label(t(f"model.form.group.{group}"), classes="group -more", markup=False)
                for parameter in PARAMETERS.values():
                    if parameter.group == group:
                        hint = _hint(parameter) if kind in parameter.wire else t("model.form.untaken")
                        yield from self._field(
                            parameter.name, written(config.sampling.get(parameter.name)), hint
                        )

    def _field(self, name: str, value: str, hint: str, *, password: bool = False) -> Iterator[Any]:
        self._saved[name] = value
        value = self._written.get(name, value)
        with Horizontal(classes="field" if name in FIRST else "field -more"):
            yield Label(t(f"model.form.{name}"), classes="label", markup=False)
            yield OneLineInput(value, placeholder=hint, password=password, id=f"field-{name}", compact=True)

    def on_mount(self) -> None:
        self.set_class(not self._says_more(), "-folded")
        # At once and not later, as `focus` would: a burst of keys is in the next field by then.
        self.set_focus(self.query_one("#field-model" if self._config.name else "#field-name", Input))

    def _says_more(self) -> bool:
        """Whether the configuration has values beside those of the first fields."""
        config = self._config
        told = bool(config.sampling or config.key_env) or config.options != ModelOptions()
        return told or not FIRST.issuperset(self._written)

    def action_more(self) -> None:
        """Fold the fields away that few people need, or show them."""
        self.toggle_class("-folded")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._written) if action == "saved" else True

    def action_saved(self) -> None:
        """Show the saved values in the place of the kept ones, and the other way round."""
        shown = self._changes()
        for field in self.query("#fields Input").results(Input):
            name = _name_of(field)
            if name not in NO_DRAFT:
                field.value = (self._saved if shown else {**self._saved, **self._other})[name]
        self._other = shown or self._other

    # -- what is written ---------------------------------------------------------------------------

    def _changes(self) -> dict[str, str]:
        """What differs from the saved values, secrets left out."""
        fields = {_name_of(field): field.value for field in self.query("#fields Input").results(Input)}
        return {
            name: text
            for name, text in fields.items()
            if name not in NO_DRAFT and text.strip() != self._saved[name].strip()
        }

    def written(self) -> str:
        return json.dumps(changes, ensure_ascii=False) if (changes := self._changes()) else ""

    def _text(self, name: str) -> str:
        inputs = self.query(f"#field-{name}").results(Input)
        return next((field.value.strip() for field in inputs), "")

    def _wrong(self) -> Mapping[str, str]:
        """What is wrong with the fields, one sentence each."""
        wrong: dict[str, str] = {}
        name = self._text("name")
        if not name:
            wrong["name"] = t("model.form.name_missing")
        elif name == "practice" or ":" in name:
            wrong["name"] = t("model.form.name_bad")
        elif name in self._names:
            wrong["name"] = t("model.form.name_taken", name=name)
        url = self._text("base_url")
        if url and not url.startswith(("http://", "https://")):
            wrong["base_url"] = t("model.form.base_url_bad")
        if not self._text("model"):
            wrong["model"] = t("model.form.model_missing")
        window = self._text("context_tokens")
        if window and _number(window, int, 512, 10_000_000) is None:
            wrong["context_tokens"] = t("model.form.number", low="512", high="10000000")
        timeout = self._text("timeout")
        if timeout and _number(timeout, float, 1, 86_400) is None:
            wrong["timeout"] = t("model.form.number", low="1", high="86400")
        if self._text("stream").lower() not in {"", *_YES, *_NO}:
            wrong["stream"] = t("model.form.stream_bad", no=t("model.form.no"))
        if self._text("post_process") not in {"", *POST_PROCESSING}:
            wrong["post_process"] = t("model.form.post_process_bad", modes=", ".join(POST_PROCESSING))
        if self._text("images") not in {"", *IMAGE_USES}:
            wrong["images"] = t("model.form.images_bad")
        if len(self._text("thinking_marks").split()) not in {0, 2}:
            wrong["thinking_marks"] = t("model.form.thinking_marks_bad")
        for name in (*ADDITIONS, *PARAMETERS):
            if text := self._text(name):
                try:
                    _read(name, text)
                except InvalidInput as error:
                    wrong[name] = tell(error)[0] if name in ADDITIONS else _bounds(PARAMETERS[name])
        return wrong

    @on(Input.Changed)
    def _judge(self, event: Input.Changed) -> None:
        wrong = self._wrong()
        field = _name_of(event.input)
        for control in self.query("#fields Input").results(Input):
            # A field that is still empty is missed only when the form is sent.
            bad = _name_of(control) in wrong and bool(control.value)
            control.set_class(bad, "-wrong")
        if event.input is self.focused:
            self.say(wrong[field] if field in wrong and event.value else "", error=True)

    def _draft(self) -> ModelDraft:
        sampling = {name: _read(name, text) for name in PARAMETERS if (text := self._text(name))}
        added = {name: _read(name, text) for name in ADDITIONS if (text := self._text(name))}
        config = SavedModel(
            name=self._text("name"),
            provider=self._config.provider,
            model=self._text("model"),
            base_url=self._text("base_url"),
            key_env=self._text("key_env"),
            context_tokens=_number(self._text("context_tokens"), int, 512, 10_000_000),
            sampling=sampling,
            options=ModelOptions(
                _number(self._text("timeout"), float, 1, 86_400) or 0,
                self._text("stream").lower() not in _NO,
                next((mode for mode in POST_PROCESSING if mode == self._text("post_process")), ""),
                tuple(self._text("thinking_marks").split()),
                # What the form does not show stays as it was; so do mode and template below.
                prefill=self._config.options.prefill,
                images=next((use for use in IMAGE_USES if use == self._text("images")), ""),
                **added,
            ),
            mode=self._config.mode,
            template=self._config.template,
        )
        return ModelDraft(config, self._text("key"))

    @on(Input.Submitted)
    def action_save(self) -> None:
        wrong = self._wrong()
        if not wrong:
            self.unsaved = self.written()
            self.finish(self._draft())
            return
        field, sentence = next(iter(wrong.items()))
        if field not in FIRST:
            self.remove_class("-folded")
        self.query_one(f"#field-{field}", Input).focus()
        self.say(sentence, error=True)

    # -- asking the server -------------------------------------------------------------------------

    def _registry(self) -> tuple[Registry, ModelSpec]:
        """A registry that knows this configuration alone, with the key that is written or stored."""
        draft = self._draft()
        stored = credential_name(self._config.name)
        # A failure names the model; before it has a name of its own, what kind it is.
        (spec,) = saved_specs([replace(draft.config, name=draft.config.name or self.dialog_title)])
        key = draft.key or self._runtime.credentials.get(stored)
        return Registry([spec], key=lambda _: key), spec

    def action_try(self) -> None:
        self.send(self._try())

    async def _try(self) -> None:
        from lunalux_core.llm.probe import probe

        registry, spec = self._registry()
        try:
            result = await probe(registry.open(spec))
        finally:
            # This registry is the dialog's own, so nobody else closes its connections.
            await registry.aclose()
        self.say(answer_of(result), good=True)

    def action_list(self) -> None:
        self.send(self._list())

    async def _list(self) -> None:
        registry, spec = self._registry()
        try:
            names = await registry.models_of(spec)
        finally:
            await registry.aclose()
        self.say("")
        rows = [Row(name, name) for name in names]
        name = await self.app.push_screen_wait(PickDialog(t("model.on_server"), rows, current=spec.model))
        if name:
            self.query_one("#field-model", Input).value = name


def _name_of(field: Input) -> str:
    return (field.id or "").removeprefix("field-")


def answer_of(result: ModelTest) -> str:
    """What a test came to, in a sentence."""
    seconds = {"first": f"{result.first_seconds:.2f}", "all": f"{result.seconds:.2f}"}
    return t("model.answers", sample=clean_line(result.sample, 80), **seconds)


def _plain(value: float | int | None) -> str:
    return "" if value is None else f"{value:g}"


def _hint(parameter: Parameter) -> str:
    """What a parameter may be, in the person's language."""
    if parameter.value in {"number", "whole"}:
        return t("model.form.range", low=f"{parameter.low:g}", high=f"{parameter.high:.10g}")
    return t(f"model.form.value.{parameter.value}", choices=", ".join(parameter.choices))


def _bounds(parameter: Parameter) -> str:
    """What is allowed, as a sentence for a value that is not."""
    if parameter.value in {"number", "whole"}:
        return t("model.form.number", low=f"{parameter.low:g}", high=f"{parameter.high:.10g}")
    return _hint(parameter)


def written(value: object) -> str:
    """A value as it is typed: one text or number as it is, everything else as JSON."""
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str):
        # A text that begins like a list, or loses its blanks in the field, would be read back as something
        # else.
        plain = value[0].isprintable() and value[0] == value[0].strip() and not value[0].startswith("[")
        value = value[0] if plain else value
    if value is None or value == ():
        return ""
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        return value
    # The exact types: a truth value is a number to `isinstance`, but is written as JSON.
    return f"{value:.10g}" if type(value) in (int, float) else json.dumps(value, ensure_ascii=False)


def _additions(options: ModelOptions) -> dict[str, str]:
    """What is added to the requests, as it is typed."""
    price = options.price and ",".join(f"{price:.10g}" for price in options.price)
    return {
        "extra_body": written(options.extra_body or None),
        "drop": ", ".join(options.drop),
        "headers": written(options.headers or None),
        "price": price or "",
    }


def _read(name: str, text: str) -> Any:
    """The value of a field. Raises InvalidInput."""
    if name == "extra_body":
        return extra_body_of(text)
    if name == "drop":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "headers":
        return headers_of(extra_body_of(text) if text.startswith("{") else text)
    if name == "price":
        return price_of(text)
    parameter = PARAMETERS[name]
    # The bounds under the field are written with commas between thousands, so people type them.
    return checked_value(name, text.replace(",", "") if parameter.value in {"number", "whole"} else text)


def _number(text: str, kind: type[int] | type[float], low: float, high: float) -> Any:
    """The number a text says, None where it says none within the bounds."""
    try:
        number = kind(text.replace(",", ""))
    except ValueError:
        return None
    return number if low <= number <= high else None
