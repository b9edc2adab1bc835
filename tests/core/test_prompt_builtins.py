"""The built-in presets, in both languages: exact prompts, and what their frameworks promise.

The exact prompts are kept in tests/data/prompts; after a wanted change of a text, run this file with
LUNALUX_UPDATE_PROMPTS=1 and read the difference.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lunalux_core.dialogue.assembly import (
    AuthorsNote,
    CardFields,
    DepthText,
    HistoryMessage,
    Prompt,
    PromptMaterial,
    assemble,
)
from lunalux_core.dialogue.output_contract import parse_reply
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.language import Language
from lunalux_core.llm.tokens import estimator
from lunalux_core.macros.expansion import MacroContext, Variables, expander
from lunalux_core.presets.builtin import BUILTIN_KEYS, FRAMEWORKS, builtin_presets, load_builtin
from lunalux_core.presets.document import Preset, preset_document, read_preset

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "prompts"
BOTH = pytest.mark.parametrize("language", ["en", "zh"])
ALL = pytest.mark.parametrize("key", BUILTIN_KEYS)
EACH_FRAMEWORK = pytest.mark.parametrize("key", FRAMEWORKS)

CARD = CardFields(
    "Mira",
    description="{{char}} keeps the lamps of the harbour.",
    personality="patient, dry",
    scenario="The last pier, in a storm.",
    mes_example="<START>\n{{user}}: Is it lit?\n{{char}}: It is now.\n<START>\n{{char}}: Mind the step.",
    system_prompt="Follow the tides. {{original}}",
    post_history_instructions="Keep the lamp in sight.",
    depth_prompt="{{char}} never swims.",
    depth_prompt_depth=2,
)
MATERIAL = PromptMaterial(
    CARD,
    user="Bo",
    persona="{{user}} is a sailor.",
    history=(
        HistoryMessage(
            "assistant", "Welcome, {{user}}.", "Mira", "m0", event="Bo arrives —> Mira greets him"
        ),
        HistoryMessage("user", "Is there tea?", "Bo", "m1"),
        HistoryMessage("system", "Thunder rolls.", "Narrator", "m2"),
        HistoryMessage("assistant", "There is $& tea.", "Mira", "m3"),
        HistoryMessage("user", "Then I stay, {{char}}. \\1 $1", "Bo", "m4"),
    ),
    before="The harbour has nine lamps.",
    after="The ninth is broken.",
    at_depth=(DepthText(0, "system", "The wind turns."), DepthText(1, "user", "The ninth lamp hums.")),
    note_top="Tide: high.",
    note_bottom="Tide: turning.",
    examples_top=("<START>\nMira: Salt gets into everything.",),
    note=AuthorsNote("Keep it short.", "after_main"),
    budget=8000,
)


def run(preset: Preset, material: PromptMaterial = MATERIAL) -> Prompt:
    card = material.card
    context = MacroContext(
        user=material.user,
        char=card.called,
        persona=material.persona,
        description=card.description,
        personality=card.personality,
        scenario=card.scenario,
        examples=card.mes_example,
    )
    return assemble(
        preset, material, expand=expander(context, Variables()), count_tokens=estimator("gpt-4o").message
    )


def whole(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages)


@ALL
@BOTH
def test_exact_prompt(key: str, language: Language) -> None:
    prompt = run(load_builtin(key, language), replace(MATERIAL, language=language))
    messages = [
        {
            "role": message.role,
            **({"name": message.name} if message.name else {}),
            "content": message.content.split("\n"),
        }
        for message in prompt.messages
    ]
    path = GOLDEN / f"{key}.{language}.json"
    if os.environ.get("LUNALUX_UPDATE_PROMPTS"):
        path.write_text(json.dumps(messages, ensure_ascii=False, indent=1) + "\n", "utf-8")
    assert messages == json.loads(path.read_text("utf-8"))


@ALL
@BOTH
def test_the_card_and_the_conversation_are_always_there(key: str, language: Language) -> None:
    text = whole(run(load_builtin(key, language), replace(MATERIAL, language=language)))
    for part in (
        *("Mira keeps the lamps of the harbour.", "patient, dry", "The last pier", "Bo is a sailor."),
        *(
            "It is now.",
            "Follow the tides.",
            "Keep the lamp in sight.",
            "Mira never swims.",
            "Keep it short.",
        ),
        *("nine lamps", "ninth is broken", "The wind turns.", "The ninth lamp hums.", "Salt gets into"),
        *("Welcome, Bo.", "Thunder rolls.", "There is $& tea.", "Then I stay, Mira. \\1 $1"),
    ):
        assert text.count(part) == 1, part
    assert "{{" not in text


@ALL
@BOTH
def test_an_exported_builtin_is_a_preset_like_any_other(key: str, language: Language) -> None:
    preset = load_builtin(key, language)
    again = read_preset(json.loads(json.dumps(preset_document(preset))), key).preset
    assert run(again) == run(preset)
    assert (preset.name, preset.source) == (key, "builtin")


def test_the_list_has_titles_in_both_languages() -> None:
    english, chinese = builtin_presets("en"), builtin_presets("zh")
    assert [one.key for one in english] == [one.key for one in chinese] == list(BUILTIN_KEYS)
    assert english[0].key == "mirror_realm"
    assert all(one.title and one.summary for one in (*english, *chinese))
    assert all(one.title != other.title for one, other in zip(english, chinese, strict=True))
    with pytest.raises(NotFound):
        load_builtin("nobody")


@EACH_FRAMEWORK
@BOTH
def test_a_framework_sends_two_messages_and_asks_for_the_form(key: str, language: Language) -> None:
    prompt = run(load_builtin(key, language), replace(MATERIAL, language=language, reply_words=321))
    assert [message.role for message in prompt.messages] == ["system", "user"]
    user = prompt.messages[1]
    assert user.message_id == "m4"
    assert "<userInput>\nThen I stay, Mira. \\1 $1\n</userInput>" in user.content
    for wanted in ("<think>", "<output>", "<next_prompts>", "<events>", "321"):
        assert wanted in user.content
    form = parse_reply(user.content[user.content.rindex("<think>") :])
    assert form.text and form.thinking and len(form.suggestions) == 3 and form.event


def test_worldbook_positions_of_a_framework() -> None:
    system, user = (message.content for message in run(load_builtin("magician")).messages)
    assert "<worldInfoBefore>\nThe harbour has nine lamps.\n</worldInfoBefore>" in system
    assert "<worldInfoAfter>\nThe ninth is broken.\nTide: high.\n</worldInfoAfter>" in system
    before, after = user.split("<userInput>")
    assert before.rstrip().endswith("Tide: turning.\n<START>\nMira: Salt gets into everything.")
    assert after.split("</userInput>")[1].lstrip().startswith("The wind turns.")
    history = user[user.index("<chatHistory>") : user.index("</chatHistory>")].split("\n")
    assert history[1:] == [
        *("How it began:", "Mira: Welcome, Bo.", ""),
        *("What happened last:", "Bo: Is there tea?", "Thunder rolls.", "Mira never swims."),
        *("Mira: There is $& tea.", "The ninth lamp hums.", ""),
    ]


def test_what_falls_out_of_the_window_becomes_memory() -> None:
    filler = (
        HistoryMessage("user" if i % 2 else "assistant", "word " * 60, id=f"f{i}", event=f"event {i}")
        for i in range(60)
    )
    material = replace(
        MATERIAL,
        history=(MATERIAL.history[0], *filler, MATERIAL.history[-1]),
        omitted=5,
        earlier_events=("long ago",),
        budget=3000,
    )
    prompt = run(load_builtin("whisperer"), material)
    report, user = prompt.report, prompt.messages[1].content
    assert 0 < report.history_kept < 62
    assert report.history_dropped == 5 + len(report.dropped_ids) == 5 + 62 - report.history_kept
    assert report.dropped_ids[:2] == ("m0", "f0")
    memory = user[user.index("<memory>") : user.index("</memory>")].split("\n")[2:-1]
    assert memory[:2] == ["long ago", "Bo arrives —> Mira greets him"]
    assert len(memory) == report.memory_events
    assert f"{memory[-1]}" == f"event {report.dropped_ids[-1][1:]}"
    assert report.total <= report.budget
    assert "How it began" not in user


def test_a_framework_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        run(load_builtin("novel_king"), replace(MATERIAL, budget=500))
    assert refused.value.code == "PROMPT_TOO_LARGE"
    assert "main" in refused.value.message
    partial = replace(
        MATERIAL, history=(HistoryMessage("assistant", "word " * 3000),), type="continue", budget=2500
    )
    with pytest.raises(InvalidInput, match="chatHistory"):
        run(load_builtin("novel_king"), partial)


@BOTH
def test_turns_without_words_of_the_person(language: Language) -> None:
    preset = load_builtin("mirror_realm", language)
    started = replace(MATERIAL, history=MATERIAL.history[:-1], language=language)
    continued = run(preset, replace(started, type="continue")).messages[1].content
    assert "<userInput>" not in continued and "Mira: There is $& tea." in continued
    assert continued.rstrip().endswith(("where it ends there.", "就从半句写起。", "if it ends there."))
    impersonated = run(preset, replace(started, type="impersonate")).messages[1].content
    assert "<next_prompts>" not in impersonated
    assert "Bo" in impersonated.split("\n")[-1]
    quiet = run(preset, replace(started, type="quiet", quiet="Sum it up.")).messages[1].content
    assert quiet.endswith("Sum it up.") and "<next_prompts>" not in quiet


def test_prompts_of_a_narratium_export_keep_their_places() -> None:
    def prompt(identifier: str, content: str = "", **more: object) -> dict[str, object]:
        return {"identifier": identifier, "name": identifier.upper(), "content": content, "group": 2, **more}

    document = {
        "prompts": [
            prompt("early", "E"),
            prompt("main", "Know {{description}} and {{memory}}."),
            prompt("style", "S {{char}}"),
            prompt("charDescription", enabled=False),
            prompt("chatHistory", "Story: {{chatHistory}} End."),
            prompt("late", "L"),
        ]
    }
    material = replace(MATERIAL, card=replace(CARD, system_prompt=""), omitted=1, earlier_events=("x —> y",))
    system, user = (
        message.content for message in run(read_preset(document, "frame").preset, material).messages
    )
    assert system.startswith(
        "【EARLY】\nE\n\n<main>\nKnow Mira keeps the lamps of the harbour. and What happened before:\nx —> y."
    )
    assert "【STYLE】\nS Mira" in system
    assert "<charDescription>" not in system and "<charPersonality>" in system
    assert "<chatHistory>\nStory: How" not in user and "<chatHistory>\nStory: What happened last:" in user
    assert "<memory>" not in user
    assert user.index("</chatHistory>") < user.index("<userInput>") < user.index("【LATE】\nL")


def test_an_empty_chat_has_no_empty_elements() -> None:
    bare = PromptMaterial(CardFields("Mira"), history=(HistoryMessage("user", "Hello"),), budget=8000)
    text = whole(run(load_builtin("mirror_realm"), bare))
    for element in ("memory", "chatHistory", "dialogueExamples", "worldInfoBefore", "scenario"):
        assert f"<{element}>" not in text
