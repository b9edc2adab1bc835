"""Which template a model for text completion takes: the one it names, else one that wants its name, else what
its server's own chat template is. What wants a name is a pattern; a template brings macros of its own, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.language import Language
from lunalux_core.library.templates import StoredTemplate, named_like
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.templates.shipped import (
    STORY,
    common_context,
    common_sysprompt,
    shipped_instructs,
    shipped_templates,
    story_context,
)
from lunalux_core.templates.template_activation import Matches, activated
from lunalux_core.templates.template_files import read_part
from lunalux_core.templates.template_values import (
    Context,
    Instruct,
    Reasoning,
    ReplyStart,
    Sampler,
    SystemPrompt,
    TemplatePart,
    TextTemplate,
)

SHIPPED = "builtin:"
"""What the ids of our own set begin with."""


def shipped_as_stored() -> list[StoredTemplate]:
    """Our own set as if it were in the library."""
    return [
        StoredTemplate(f"{SHIPPED}{template.name}", template.kind, template.name, "", template.document)
        for template in shipped_templates()
    ]


def templates_found(stored: Sequence[StoredTemplate], name: str) -> Sequence[StoredTemplate]:
    """What a name stands for: templates of the library, else one of our own set.

    Raises:
        NotFound: TEMPLATE_NOT_FOUND, with the nearest names.
    """
    try:
        return named_like(stored, name)
    except NotFound:
        # The library first: a person's own template of that name goes before ours.
        return named_like([*stored, *shipped_as_stored()], name)


def full_template_name(stored: Sequence[StoredTemplate], name: str) -> str:
    """The name in full of what a beginning or a word stands for now. Raises NotFound (TEMPLATE_NOT_FOUND)."""
    template = templates_found(stored, name)[0]
    return template.bundle if template.bundle.casefold() == name.casefold() else template.name


def chosen_template(stored: Sequence[StoredTemplate], name: str, language: Language) -> TextTemplate:
    """The template of that name, completed by our own parts. Raises NotFound (TEMPLATE_NOT_FOUND)."""
    parts = [
        read_part(template.kind, template.document, template.name)
        for template in templates_found(stored, name)
    ]
    return composed(name, parts, language)


def fitting_template(
    stored: Sequence[StoredTemplate], model: str, language: Language, matches: Matches
) -> TextTemplate | None:
    """The first whose `activation_regex` finds something in the model's name, the library's before ours."""
    own = [
        read_part(template.kind, template.document, template.name)
        for template in stored
        if template.kind == "instruct"
    ]
    instructs = [instruct for instruct in (*own, *shipped_instructs()) if isinstance(instruct, Instruct)]
    instruct = activated(model, instructs, matches)
    if instruct is None:
        return None
    beside = [
        part
        for template in stored
        if template.name.casefold() == instruct.name.casefold() and template.kind != "instruct"
        if (part := read_part(template.kind, template.document, template.name))
    ]
    return composed(instruct.name, [instruct, *beside], language)


def composed(name: str, parts: Sequence[TemplatePart], language: Language) -> TextTemplate:
    """Parts together; of several of a kind the last counts. Where there are sequences or a context but no
    instruction, ours stands in; a system prompt alone goes with lines that begin with names.
    """
    by_type: dict[type, TemplatePart] = {type(part): part for part in parts}

    def part(kind: type[TemplatePart]) -> TemplatePart | None:
        return by_type.get(kind)

    instruct, context = part(Instruct), part(Context)
    if not isinstance(context, Context):
        context = common_context() if instruct is not None else story_context()
    system = part(SystemPrompt)
    reasoning, sampler, start = part(Reasoning), part(Sampler), part(ReplyStart)
    return TextTemplate(
        name=name or STORY,
        context=context,
        instruct=instruct if isinstance(instruct, Instruct) else None,
        sysprompt=system if isinstance(system, SystemPrompt) else common_sysprompt(language),
        reasoning=reasoning if isinstance(reasoning, Reasoning) else None,
        sampler=sampler if isinstance(sampler, Sampler) else None,
        start=start if isinstance(start, ReplyStart) else None,
    )


def parts_named(stored: Sequence[StoredTemplate], names: Mapping[str, str]) -> list[TemplatePart]:
    """Templates by the kind that is wanted of each name; what is not there is left out."""
    templates = [*stored, *shipped_as_stored()]
    parts = []
    for kind, name in names.items():
        try:
            named = named_like([template for template in templates if template.kind == kind], name)
        except NotFound:
            continue
        parts += [read_part(template.kind, template.document, template.name) for template in named[:1]]
    return parts


@contextmanager
def regex_matches() -> Iterator[Matches]:
    """A way to match with an engine of its own, which ends with the block."""
    engine = EcmaEngine()
    try:
        yield matches_with(engine)
    finally:
        engine.close()


def matches_with(engine: EcmaEngine) -> Matches:
    """A way to match with that engine. A pattern that is refused or takes too long matches nothing."""

    def matches(source: str, flags: str, text: str) -> bool:
        try:
            # With g, JavaScript goes on from where the last search ended;
            # each name is searched from its beginning.
            return bool(engine.find_all(source, flags.replace("g", ""), text, 1))
        except LunaluxError:
            return False

    return matches


def template_macros(template: TextTemplate, card_prompt: str = "") -> Mapping[str, str]:
    """Values by lower-case name, for `MacroContext.extra`; they are inserted unread.

    Args:
        card_prompt: the card's own system prompt, which goes before the template's.
    """
    instruct = template.instruct or Instruct()
    context, system = template.context, template.sysprompt
    content = (system or SystemPrompt()).content
    named = {
        "instructStoryStringPrefix": instruct.story_string_prefix,
        "instructStoryStringSuffix": instruct.story_string_suffix,
        "instructInput instructUserPrefix": instruct.input_sequence,
        "instructUserSuffix": instruct.input_suffix,
        "instructOutput instructAssistantPrefix": instruct.output_sequence,
        "instructSeparator instructAssistantSuffix": instruct.output_suffix,
        "instructSystemPrefix": instruct.system_sequence,
        "instructSystemSuffix": instruct.system_suffix,
        "instructFirstOutput instructFirstAssistantPrefix": instruct.first_output_sequence
        or instruct.output_sequence,
        "instructLastOutput instructLastAssistantPrefix": instruct.last_output_sequence
        or instruct.output_sequence,
        "instructStop": instruct.stop_sequence,
        "instructUserFiller": instruct.user_alignment_message,
        "instructSystemInstructionPrefix": instruct.last_system_sequence,
        "instructFirstInput instructFirstUserPrefix": instruct.first_input_sequence
        or instruct.input_sequence,
        "instructLastInput instructLastUserPrefix": instruct.last_input_sequence or instruct.input_sequence,
        "systemPrompt": (card_prompt or content) if system else "",
        "defaultSystemPrompt instructSystem instructSystemPrompt": content,
        "chatSeparator exampleSeparator": context.example_separator,
        "chatStart": context.chat_start,
    }
    return {name.lower(): value for names, value in named.items() for name in names.split()}
