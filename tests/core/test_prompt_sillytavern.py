"""SillyTavern's assembly beyond the vectors: refusals, the report, memory, and the kinds of turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.model import Message
from lunalux_core.macros.expansion import MacroContext, Variables, expander
from lunalux_core.presets.document import Preset, read_preset
from lunalux_core.scenarios.presets import replay

ORDER = ("main", "charDescription", "dialogueExamples", "chatHistory", "jailbreak")


def preset_of(*prompts: dict[str, Any], order: tuple[str, ...] = ORDER, **scalars: Any) -> Preset:
    usual: list[dict[str, Any]] = [
        {"identifier": "main", "content": "MAIN"},
        {"identifier": "jailbreak", "content": "LAST"},
        *(
            {"identifier": name, "marker": True}
            for name in ("charDescription", "dialogueExamples", "chatHistory")
        ),
    ]
    changed = {str(prompt["identifier"]) for prompt in prompts}
    document = {
        "prompts": [*prompts, *(one for one in usual if one["identifier"] not in changed)],
        "prompt_order": [
            {"character_id": 100001, "order": [{"identifier": name, "enabled": True} for name in order]}
        ],
        "new_chat_prompt": "[NC]",
        "new_example_chat_prompt": "[EX]",
        "continue_nudge_prompt": "[GO ON {{lastChatMessage}}]",
        "impersonation_prompt": "[AS {{user}}]",
        **scalars,
    }
    return read_preset(document, "test").preset


def said(*texts: str, first: str = "assistant") -> tuple[HistoryMessage, ...]:
    """Messages in turn, with their places as ids."""
    sides = ("assistant", "user") if first == "assistant" else ("user", "assistant")
    names = {"assistant": "Alice", "user": "Bob"}
    return tuple(
        HistoryMessage(sides[i % 2], text, names[sides[i % 2]], str(i))  # type: ignore[arg-type]
        for i, text in enumerate(texts)
    )


MATERIAL = PromptMaterial(
    CardFields("Alice", description="DESC"),
    user="Bob",
    history=said("hello", "hi", "come in", "thanks"),
    budget=1000,
)


def run(preset: Preset, material: PromptMaterial = MATERIAL) -> Prompt:
    context = MacroContext(user=material.user, char=material.card.called)
    return assemble(
        preset,
        material,
        expand=expander(context, Variables()),
        count_tokens=lambda text: len(text.split()),
    )


def contents(prompt: Prompt) -> list[str]:
    return [message.content for message in prompt.messages]


def test_messages_for_the_model_and_where_they_come_from() -> None:
    prompt = run(preset_of())
    assert prompt.to_messages()[0] == Message("system", "MAIN")
    assert contents(prompt) == ["MAIN", "DESC", "[NC]", "hello", "hi", "come in", "thanks", "LAST"]
    assert [message.slot for message in prompt.messages][2:4] == ["newMainChat", "chatHistory"]
    assert [message.message_id for message in prompt.messages] == ["", "", "", "0", "1", "2", "3", ""]
    report = prompt.report
    assert (report.total, report.history_kept, report.history_dropped) == (9, 4, 0)
    assert {slot.slot: slot.tokens for slot in report.slots}["chatHistory"] == 5


def test_fixed_parts_that_do_not_fit_are_refused_by_size() -> None:
    material = replace(MATERIAL, card=CardFields("Alice", description="word " * 50), budget=30)
    with pytest.raises(InvalidInput) as refused:
        run(preset_of(), material)
    error = refused.value
    assert error.code == "PROMPT_TOO_LARGE"
    assert "charDescription 50, main 1" in error.message
    assert error.params["slots"]["charDescription"] == 50  # type: ignore[index]
    assert error.params["budget"] == 27


def test_the_newest_message_is_never_left_out_in_silence() -> None:
    material = replace(MATERIAL, history=said("hello", "word " * 100), budget=50)
    with pytest.raises(InvalidInput, match="chatHistory 100"):
        run(preset_of(), material)
    as_sillytavern = run(preset_of(), replace(material, newest_required=False))
    assert contents(as_sillytavern) == ["MAIN", "DESC", "[NC]", "LAST"]
    assert as_sillytavern.report.dropped_ids == ("0", "1")


def test_an_injection_may_not_push_out_the_newest_message() -> None:
    material = replace(MATERIAL, at_depth=(DepthText(0, "system", "i " * 40),), budget=46)
    with pytest.raises(InvalidInput) as refused:
        run(preset_of(), material)
    assert refused.value.code == "PROMPT_TOO_LARGE"


def test_what_is_cut_is_counted_and_remembered() -> None:
    history = said(*("word " * 10 for _ in range(20)))
    history = tuple(
        replace(message, event=f"event {message.id}") if message.role == "assistant" else message
        for message in history
    )
    material = replace(MATERIAL, history=history, omitted=7, earlier_events=("before all",), budget=200)
    prompt = run(preset_of(), material)
    report = prompt.report
    memory = next(message for message in prompt.messages if message.slot == "memory")
    assert contents(prompt)[:2] == ["MAIN", memory.content]
    assert report.history_kept + len(report.dropped_ids) == 20
    assert report.history_dropped == len(report.dropped_ids) + 7
    dropped = [int(dropped_id_) for dropped_id_ in report.dropped_ids]
    assert dropped == list(range(len(dropped)))
    told = memory.content.splitlines()[1:]
    assert told[-1] == f"event {max(one for one in dropped if one % 2 == 0)}"
    assert len(told) == report.memory_events
    assert report.total <= report.budget


def test_memory_speaks_the_language_of_the_chat() -> None:
    material = replace(MATERIAL, omitted=3, earlier_events=("灯亮了",), language="zh")
    assert contents(run(preset_of(), material))[1] == "此前发生的事：\n灯亮了"


def test_without_events_nothing_is_kept_free_for_them() -> None:
    history = said(*("word " * 10 for _ in range(20)))
    prompt = run(preset_of(), replace(MATERIAL, history=history, budget=107))
    assert prompt.report.history_kept == 10
    assert prompt.report.memory_events == 0


def test_the_same_words_twice_are_two_messages() -> None:
    history = tuple(replace(one, id="") for one in said("no", "no", "no"))
    prompt = run(preset_of(), replace(MATERIAL, history=history, type="continue"))
    assert contents(prompt) == ["MAIN", "DESC", "[NC]", "no", "no", "LAST", "no", "[GO ON no]"]


def test_continue_moves_the_last_message_to_the_end() -> None:
    material = replace(MATERIAL, history=said("hello", "hi", "come $& in"), type="continue")
    prompt = run(preset_of(), material)
    assert contents(prompt)[-3:] == ["LAST", "come $& in", "[GO ON come $& in]"]
    prefilled = run(preset_of(continue_prefill=True), material)
    assert contents(prefilled)[-2:] == ["LAST", "come $& in"]
    assert prefilled.messages[-1].role == "assistant"
    assert prefilled.messages[-1].message_id == "2"


def test_impersonate_and_quiet_come_very_last() -> None:
    assert contents(run(preset_of(), replace(MATERIAL, type="impersonate")))[-1] == "[AS Bob]"
    assert contents(run(preset_of(), replace(MATERIAL, type="quiet", quiet="Q {{char}}")))[-1] == "Q Alice"
    own = run(preset_of(impersonation_prompt=None), replace(MATERIAL, type="impersonate"))
    assert "write as Bob" in contents(own)[-1]
    assert (
        contents(run(preset_of(impersonation_prompt=""), replace(MATERIAL, type="impersonate")))[-1] == "LAST"
    )


def test_something_is_said_for_the_person_only_after_the_character() -> None:
    preset = preset_of(send_if_empty="go on")
    assert "go on" not in contents(run(preset))
    prompt = run(preset, replace(MATERIAL, history=said("hello", "hi", "come in")))
    assert [(message.role, message.content) for message in prompt.messages][-2:] == [
        ("user", "go on"),
        ("system", "LAST"),
    ]


def test_names_of_others_are_said() -> None:
    history = (HistoryMessage("user", "hi", "Old Bob", foreign=True), HistoryMessage("user", "hi", "Bob"))
    assert contents(run(preset_of(), replace(MATERIAL, history=history)))[3:5] == ["Old Bob: hi", "hi"]
    prompt = run(preset_of(names_behavior=1), replace(MATERIAL, history=history))
    assert [message.name for message in prompt.messages][3:5] == ["Old_Bob", "Bob"]


def test_hidden_messages_are_neither_sent_nor_counted_for_depth() -> None:
    history = (*said("hello", "hi"), HistoryMessage("assistant", "secret", hidden=True))
    material = replace(MATERIAL, history=history, at_depth=(DepthText(1, "system", "D1"),))
    assert contents(run(preset_of(), material))[3:] == ["hello", "D1", "hi", "LAST"]


def test_overrides_can_be_forbidden_and_see_the_original_once() -> None:
    card = CardFields("Alice", system_prompt="{{original}}|{{original}}", post_history_instructions="PHI")
    material = replace(MATERIAL, card=card)
    assert contents(run(preset_of(), material))[0] == "MAIN|"
    assert contents(run(preset_of(), material))[-1] == "PHI"
    firm = preset_of({"identifier": "main", "content": "MAIN", "forbid_overrides": True})
    assert contents(run(firm, material))[0] == "MAIN"


def test_triggers_choose_the_kind_of_turn() -> None:
    extra = {"identifier": "x", "content": "X", "injection_trigger": ["impersonate"]}
    preset = preset_of(extra, order=(*ORDER, "x"))
    assert "X" not in contents(run(preset))
    assert "X" in contents(run(preset, replace(MATERIAL, type="impersonate")))


def test_values_are_inserted_unread() -> None:
    card = CardFields("Alice", description="D", personality="$& \\1 {0}", scenario="")
    preset = preset_of(
        {"identifier": "worldInfoBefore", "marker": True},
        {"identifier": "charPersonality", "marker": True},
        order=("main", "worldInfoBefore", "charPersonality", *ORDER[1:]),
        wi_format="[{0}]",
        personality_format="<{{personality}}>",
    )
    prompt = run(preset, replace(MATERIAL, card=card, before="a {0} $1"))
    assert contents(prompt)[1:3] == ["[a {0} $1]", "<$& \\1 {0}>"]


def test_examples_go_first_when_room_is_short_unless_they_are_pinned() -> None:
    card = CardFields("Alice", mes_example="<START>\n{{char}}: one two\n<START>\n{{char}}: three four")
    tight = replace(MATERIAL, card=card, history=said(*("word " * 10 for _ in range(9))), budget=62)
    prompt = run(preset_of(), tight)
    assert (prompt.report.history_kept, prompt.report.examples_kept, prompt.report.examples_dropped) == (
        5,
        2,
        0,
    )
    prompt = run(preset_of(), replace(tight, budget=57))
    assert (prompt.report.history_kept, prompt.report.examples_kept, prompt.report.examples_dropped) == (
        5,
        0,
        2,
    )
    prompt = run(preset_of(), replace(tight, budget=57, pin_examples=True))
    assert (prompt.report.history_kept, prompt.report.examples_kept) == (4, 2)


def test_worldbook_examples_stand_around_the_cards() -> None:
    card = CardFields("Alice", nickname="Al", mes_example="Alice: card\nmore\nBob: q")
    material = replace(
        MATERIAL, card=card, examples_top=("{{char}}: t1", "{{char}}: t2"), examples_bottom=("{{char}}: b",)
    )
    examples = [
        message for message in run(preset_of(), material).messages if message.slot == "dialogueExamples"
    ]
    assert [(example.name, example.content) for example in examples] == [
        ("example_assistant", "t2"),
        ("example_assistant", "t1"),
        ("example_assistant", "card\nmore"),
        ("example_user", "q"),
        ("example_assistant", "b"),
    ]


def test_the_note_brings_the_worldbooks_texts_only_when_it_is_due() -> None:
    material = replace(MATERIAL, note_top="T", note_bottom="B")
    assert not any(line == "T" for text in contents(run(preset_of(), material)) for line in text.split("\n"))
    prompt = run(preset_of(), replace(material, note=AuthorsNote("N", depth=1)))
    assert contents(prompt)[-3:] == ["T\nN\nB", "thanks", "LAST"]
    prompt = run(preset_of(), replace(material, note=AuthorsNote("N", "before_main")))
    assert contents(prompt)[:2] == ["T\nN\nB", "MAIN"]
    prompt = run(preset_of(order=ORDER[1:]), replace(material, note=AuthorsNote("N", "after_main")))
    assert contents(prompt)[0] == "T\nN\nB"


@pytest.mark.parametrize(
    ("interval", "messages", "due"), [(0, 3, False), (1, 0, True), (3, 0, False), (3, 2, False), (3, 6, True)]
)
def test_when_a_note_is_due(interval: int, messages: int, due: bool) -> None:
    assert AuthorsNote.due(interval, messages) is due


def test_a_preset_without_history_says_so() -> None:
    prompt = run(preset_of(order=("main",)), replace(MATERIAL, at_depth=(DepthText(0, "user", "D"),)))
    assert contents(prompt) == ["MAIN", "DESC"]
    assert prompt.report.history_dropped == 4
    assert prompt.report.injections_dropped == 1


def test_squashing_keeps_the_account() -> None:
    prompt = run(preset_of(squash_system_messages=True))
    assert contents(prompt)[:2] == ["MAIN\nDESC", "[NC]"]
    assert prompt.messages[0].slot == "main+charDescription"
    assert [slot.slot for slot in prompt.report.slots][:2] == ["main", "charDescription"]


def test_a_refusal_is_a_result_of_its_scenario() -> None:
    scenario = {
        "preset": {"prompts": [{"identifier": "main", "content": "a b c"}]},
        "tokens": "words",
        "maxContext": 5,
        "maxTokens": 1,
    }
    (result,) = replay([scenario])
    assert result["error"]["code"] == "PROMPT_TOO_LARGE"
