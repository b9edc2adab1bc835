"""textTemplate: how the turns of a model for text completion are written, and how a chat model that is to go
on from a beginning does so. All other chats do without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.dialogue.turn import PromptDraft, TemplateFailed, TurnInput
from lunalux_core.dialogue.workflow import Node, TurnContext
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.llm.model_registry import Registry
from lunalux_core.regex.engine import EcmaEngine

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_core.library.templates import StoredTemplate
    from lunalux_core.llm.model import ModelSpec
    from lunalux_core.templates.template_values import TextTemplate


def text_template(models: Callable[[], Registry], engine: EcmaEngine) -> Node[PromptDraft, PromptDraft]:
    """Where a template cannot be used, the person is told and the chat template is used meanwhile."""

    async def node(draft: PromptDraft, context: TurnContext) -> PromptDraft:
        turn = draft.request.turn
        if turn.model.mode != "text":
            return await _begun(draft, models)
        try:
            template = await template_of(turn.model, turn.templates, turn.language, models, engine)
            if turn.template_parts:
                template = _with_parts(template, turn)
            _check(template)
        except LunaluxError as error:
            context.tell(TemplateFailed(turn.model.template, error))
            return draft
        return replace(draft, template=template)

    return node


async def _begun(draft: PromptDraft, models: Callable[[], Registry]) -> PromptDraft:
    """With what is known of a chat model that is to go on from a beginning; to ask may cost a request."""
    turn = draft.request.turn
    continues = turn.kind == "continue" and bool(turn.partial.strip())
    prefill = await models().prefill(turn.model)
    goes_on = continues and prefill in ("prefix", "trailing", "flags")
    return replace(draft, prefill=prefill, material=replace(draft.material, goes_on=goes_on))


def _with_parts(template: TextTemplate, turn: TurnInput) -> TextTemplate:
    """The template with the parts that profiles name; one that is gone leaves the template's own."""
    from lunalux_core.dialogue.text_templates import parts_named
    from lunalux_core.templates.template_values import with_parts

    return with_parts(template, parts_named(turn.templates, turn.template_parts))


async def template_of(
    model: ModelSpec,
    stored: Sequence[StoredTemplate],
    language: Language,
    models: Callable[[], Registry],
    engine: EcmaEngine,
) -> TextTemplate:
    """The template of a model of text completion.

    Raises:
        NotFound: TEMPLATE_UNKNOWN, TEMPLATE_NONE; and what opening a model raises.
    """
    from lunalux_core.dialogue.text_templates import chosen_template, composed, fitting_template, matches_with
    from lunalux_core.llm.servers.text_completion import TextCompletionModel
    from lunalux_core.templates.served import SERVED, probe, recognised
    from lunalux_core.templates.shipped import shipped_instructs

    name = model.template
    if name:
        try:
            return chosen_template(stored, name, language)
        except NotFound:
            raise NotFound(
                "TEMPLATE_UNKNOWN",
                f"The template {name!r} of the model {model.name} is not in the library; the chat "
                "template is used meanwhile.",
                "Import it with `lunalux template import`, or choose another for the model.",
                name=name,
                model=model.name,
            ) from None
    fitting = fitting_template(stored, model.model, language, matches_with(engine))
    if fitting is not None:
        return fitting
    # Last of all: the server has to be asked.
    opened = models().open(model)
    if isinstance(opened, TextCompletionModel):
        rendered = await opened.served_template(probe())
        instruct = recognised(rendered, shipped_instructs()) if rendered else None
        if instruct is not None:
            return composed(instruct.name or SERVED, [instruct], language)
        if named := await opened.served_name():
            with suppress(NotFound):
                return chosen_template(stored, named, language)
    raise NotFound(
        "TEMPLATE_NONE",
        f"No template fits the model {model.name}; the server's chat template is used meanwhile.",
        "Name one with `lunalux model add … --template NAME`.",
        model=model.name,
    )


def _check(template: TextTemplate) -> None:
    """Raises InvalidInput (TEMPLATE_SYNTAX), before anything is built on it."""
    from lunalux_core.templates.handlebars import parse

    try:
        parse(template.context.story_string)
    except InvalidInput as error:
        raise InvalidInput(
            error.code,
            f"{template.name}: {error.message}",
            "Correct it there and import it again; the chat template is used meanwhile.",
            **{**error.params, "name": template.name},
        ) from None
