"""The form of replies: whole, streamed in any pieces, and broken in the ways models break it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.dialogue.output_contract import ContractStream, ParsedReply, parse_reply

FULL = """<think>
She is tired.
</think>
<output>
*The lamp flickers.* "Stay," she says.

She waits.
</output>
<next_prompts>
- [Sit down]
* Ask about the lamp
3. Leave
</next_prompts>
<events>
[Bo arrives —> the lamp flickers —> Mira asks him to stay]
</events>"""


def test_a_reply_that_keeps_the_form() -> None:
    assert parse_reply(FULL) == ParsedReply(
        text='*The lamp flickers.* "Stay," she says.\n\nShe waits.',
        thinking="She is tired.",
        suggestions=("Sit down", "Ask about the lamp", "Leave"),
        event="Bo arrives —> the lamp flickers —> Mira asks him to stay",
    )


@pytest.mark.parametrize(
    ("raw", "text", "thinking", "suggestions", "event"),
    [
        ("Just words.", "Just words.", "", (), ""),
        ("", "", "", (), ""),
        ("<thinking>a</thinking>b<think>c</think>d", "bd", "a", (), ""),
        ("A\n\n<events>x</events>\n\n\nB", "A\n\nB", "", (), "x"),
        ("<OUTPUT>A</Output><Next_Prompts>1) x</NEXT_PROMPTS>", "A", "", ("x",), ""),
        ("<outputFormat>A</outputFormat>", "A", "", (), ""),
        ("a < b and <b>bold</b> <thinker>", "a < b and <b>bold</b> <thinker>", "", (), ""),
        # only the closing mark: what stands before it was thought
        (
            "A guest. I should be kind.\n</think>\n\nGood evening.",
            "Good evening.",
            "A guest. I should be kind.",
            (),
            "",
        ),
        ("Plan.[/THINK]Hello", "Hello", "Plan.", (), ""),
        ("Plan.[/think]Hello</think> you", "Hello you", "Plan.", (), ""),
        ("Hi <thought>x</thought> y", "Hi <thought>x</thought> y", "", (), ""),
        ("Hi [THINK]x[/THINK] y", "Hi [THINK]x[/THINK] y", "", (), ""),
        ("Plan.◁/think▷<output>Hello</output>", "Hello", "Plan.", (), ""),
        ("Hello.</think>", "Hello.", "", (), ""),
        ("One.</think>Two.</think>\nHello.", "Hello.", "One.Two.", (), ""),
        ("One.</think>Hello.</think>", "Hello.", "One.", (), ""),
        ("One.[/THINK]Two.[/think]Hello.", "Hello.", "One.Two.", (), ""),
        ("One.</think><output>Hello</output> a </think> b", "Hello a  b", "One.", (), ""),
        ("Plan.<|inner_suffix|>Hello.", "Hello.", "Plan.", (), ""),
        ("Plan.[BEGIN FINAL RESPONSE]\nHello.\n[END FINAL RESPONSE]\n", "Hello.", "Plan.", (), ""),
        ("Hello. [END FINAL RESPONSE]", "Hello. [END FINAL RESPONSE]", "", (), ""),
        ("analysisThe user greets.assistantfinalHello.", "Hello.", "The user greets.", (), ""),
        ("Analysis of assistants.", "Analysis of assistants.", "", (), ""),
        ("The assistantfinal word.", "The assistantfinal word.", "", (), ""),
        ("analysis of rain.assistantfinal", "analysis of rain.", "", (), ""),
        ("Hello.</think>\n <next_prompts>- x</next_prompts>", "Hello.", "", ("x",), ""),
        ("<output>Hello</output> a </think> b", "Hello a  b", "", (), ""),
        ("a<think>b</think>c</think>d", "acd", "b", (), ""),
        # never closed
        ("<think>I wonder", "", "I wonder", (), ""),
        ("<think>plan\n<output>Hello</output>", "Hello", "plan", (), ""),
        ("<output>A\n<next_prompts>\n- x\n- y", "A", "", ("x", "y"), ""),
        ("A<next_prompts>\n- x\n<events>\np —> q", "A", "", ("x",), "p —> q"),
        ("<output>A<next_prompts>- x</output>", "A", "", ("x",), ""),
        ("<events>p —> q\n\nThe story goes on.", "The story goes on.", "", (), "p —> q"),
        ("<next_prompts>\n- x\n\nThe story goes on.", "The story goes on.", "", ("x",), ""),
        # suggestions
        (
            "<next_prompts>*smiles* hi\n3.5 miles\n- \n[a] b</next_prompts>",
            "",
            "",
            ("*smiles* hi", "3.5 miles", "[a] b"),
            "",
        ),
        ("<next_prompts>1\n1\n2\n3\n4\n5\n6\n7</next_prompts>", "", "", ("1", "2", "3", "4", "5", "6"), ""),
        # indentation of Chinese paragraphs is text
        ("　　她点灯。\n　　风停了。", "　　她点灯。\n　　风停了。", "", (), ""),
    ],
)
def test_forms(raw: str, text: str, thinking: str, suggestions: tuple[str, ...], event: str) -> None:
    assert parse_reply(raw) == ParsedReply(text, thinking, suggestions, event)


def streamed(pieces: list[str]) -> tuple[str, str, ParsedReply]:
    """Text and thinking as a front end has them at the end, and the reply as it is kept."""
    stream = ContractStream()
    text = thinking = ""
    for step in [*(lambda piece=piece: stream.feed(piece) for piece in pieces), stream.close]:  # type: ignore[misc]
        more = step()
        text, thinking = text + more[0], thinking + more[1]
        if stream.turned:
            stream.turned = False
            text, thinking = stream.reply().text, stream.reply().thinking
    return text, thinking, stream.reply()


def test_nothing_of_the_form_is_ever_shown() -> None:
    stream = ContractStream()
    shown = ""
    for character in FULL:
        shown += stream.feed(character)[0]
        assert "<" not in shown and "Sit down" not in shown and "arrives" not in shown
    assert shown.startswith("*The lamp")


def test_visible_text_is_not_held_back() -> None:
    stream = ContractStream()
    assert stream.feed("<output>Hel") == ("Hel", "")
    assert stream.feed("lo <") == ("lo", "")
    assert stream.feed("3 you") == (" <3 you", "")


token = st.sampled_from(
    [
        *("<think>", "</think>", "<thinking>", "</THINKING>", "<output>", "</output>", "<outputFormat>"),
        *("<next_prompts>", "</next_prompts>", "<events>", "</events >", "<", "</", "<out", "<b>", ">"),
        *("word", " ", "\n", "\n\n", "- [x]\n", "* y\n", "p —> q", "　灯", "<output         >"),
        *("[/THINK]", "[/TH", "◁/think▷", "◁", "</thought>", "<channel|>", "</seed:"),
        *("analysis", "assistantfinal", "assistant"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(token | st.text(max_size=4), max_size=14), st.data())
def test_any_split_gives_what_the_whole_gives(parts: list[str], data: st.DataObject) -> None:
    raw = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    text, thinking, reply = streamed(pieces)
    assert reply == parse_reply(raw)
    assert text == reply.text
    assert thinking.startswith(reply.thinking)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="<[◁")))
def test_a_reply_without_tags_is_all_text(raw: str) -> None:
    assert parse_reply(raw) == ParsedReply(raw.strip(" \t\r\n"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (" and left. ", " and left."),
        ("\n\n*Rain.*", "\n\n*Rain.*"),
        ("ing <events>x</events>", "ing"),
        ("<think>On.</think>\n\nThen", "Then"),
        ("  ", ""),
    ],
)
def test_what_goes_on_keeps_the_blank_it_begins_with(raw: str, text: str) -> None:
    assert parse_reply(raw, going_on=True).text == text
