"""`lunalux chat` with the options that direct a reply: what is sent, what is stored, what is refused."""

from __future__ import annotations

import pytest
from cli_program import Program, messages

QUICK = {"LUNALUX_PRACTICE_RATE": "0"}


def test_a_reply_goes_on_and_is_made_again(program: Program, ada: str) -> None:
    first = program("chat", "Ada", "-m", "Good evening", "--json", **QUICK).json
    longer = program("chat", "Ada", "--continue", "--json", **QUICK).json
    assert longer["message_id"] == first["message_id"]
    assert longer["content"].startswith(first["content"]) and longer["content"] != first["content"]
    other = program("chat", "Ada", "--regenerate", "--json", **QUICK).json
    assert other["message_id"] != first["message_id"]
    assert len(messages(program)) == 3


def test_several_replies_are_kept_and_the_first_is_shown(program: Program, ada: str) -> None:
    result = program("chat", "Ada", "-m", "Hello", "--replies", "3", "--json", **QUICK).json
    assert len({reply["content"] for reply in result["replies"]}) == 3
    assert result["message_id"] == result["replies"][0]["message_id"]
    last = messages(program)[-1]
    assert last["id"] == result["message_id"] and last["swipes"] == 3
    plain = program("chat", "Ada", "-m", "Hello", "--replies", "2", **QUICK).out
    assert "--- 2/2" in plain


def test_what_i_might_say_is_printed_and_not_stored(program: Program, ada: str) -> None:
    result = program("chat", "Ada", "--impersonate", "-m", "I leave", "--json", **QUICK).json
    assert result["content"] and result["message_id"] is None
    assert [message["role"] for message in messages(program)] == ["assistant"]
    prompt = program("chat", "Ada", "--impersonate", "-m", "I leave", "--show-prompt").out
    assert "I leave" in prompt
    plain = program("chat", "Ada", "--impersonate", "--show-prompt").out
    told = {
        person: program("chat", "Ada", "--impersonate", "--person", person, "--show-prompt").out
        for person in ("first", "second", "third")
    }
    assert len({plain, *told.values()}) == 4
    assert all(f"{person} person" in text for person, text in told.items())


def test_lines_are_stored_without_an_answer(program: Program, ada: str) -> None:
    mine = program("chat", "Ada", "-m", "I wait.", "--no-reply", "--json").json
    assert (mine["content"], mine["role"], mine["model"], mine["usage"]) == ("I wait.", "user", None, None)
    rain = program("chat", "Ada", "-m", "It rains.", "--narrator", "--no-reply", "--json").json
    assert rain["role"] == "system"
    told = program("chat", "Ada", "-m", "Boo!", "--as", "Ghost", "--no-reply")
    assert told.out == "" and "Ghost" in told.err
    assert [(message["role"], message["name"], message["content"]) for message in messages(program)[1:]] == [
        ("user", "Traveller", "I wait."),
        ("system", "Narrator", "It rains."),
        ("assistant", "Ghost", "Boo!"),
    ]
    answered = program("chat", "Ada", "-m", "Thunder.", "--narrator", "--json", **QUICK).json
    assert answered["character_id"] == ada and answered["content"] != "Thunder."
    assert messages(program)[-2]["content"] == "Thunder."


def test_an_instruction_is_sent_and_a_beginning_stands_before_the_reply(program: Program, ada: str) -> None:
    options = ("--instruction", "Be curt, {{char}}.")
    prompt = program("chat", "Ada", "-m", "Hello", *options, "--show-prompt", "--json").json
    assert "Be curt, Ada." in prompt[-1]["content"]
    result = program("chat", "Ada", "-m", "Hello", *options, "--start-with", "Well,", "--json", **QUICK).json
    assert result["content"].startswith("Well,")
    assert all("curt" not in message["content"] for message in messages(program))


def test_the_request_of_every_kind_of_turn_is_shown(program: Program, ada: str) -> None:
    program("chat", "Ada", "-m", "Hello", **QUICK)
    before = messages(program)
    model = ("--model", "openai:x", "--show-request", "--preset", "default")
    went_on = program("chat", "Ada", "--continue", *model, OPENAI_API_KEY="k").json
    assert before[-1]["content"] in [message["content"] for message in went_on["body"]["messages"]]
    again = program(
        "chat", "Ada", "--regenerate", *model, "--instruction", "Be curt.", OPENAI_API_KEY="k"
    ).json
    assert before[-1]["content"] not in [message["content"] for message in again["body"]["messages"]]
    assert again["body"]["messages"][-1]["content"] == "Be curt."
    assert messages(program) == before


@pytest.mark.parametrize(
    "options",
    [
        ("--continue", "--regenerate"),
        ("--continue", "--impersonate"),
        ("--continue", "-m", "x"),
        ("--regenerate", "-m", "x"),
        ("--continue", "--replies", "2"),
        ("--no-reply", "-m", "x", "--replies", "2"),
        ("--as", "Ghost", "--narrator", "-m", "x"),
        ("--as", " ", "-m", "x"),
        ("--regenerate", "--narrator"),
        ("--narrator", "-m", "x", "--show-prompt"),
        ("--no-reply",),
        ("--person", "first", "-m", "x"),
        ("--impersonate", "--person", "fourth"),
        ("--narrator",),
        ("--replies", "0", "-m", "x"),
        ("--replies", "many", "-m", "x"),
    ],
)
def test_what_does_not_go_together_is_said_in_a_sentence(
    program: Program, ada: str, options: tuple[str, ...]
) -> None:
    result = program("chat", "Ada", *options, "--json", code=2)
    assert (
        result.out == "" and result.error["code"] == "USAGE" and result.error["message"].endswith((".", "?"))
    )
    assert program("conversation", "list", "--json").json == []


def test_a_conversation_has_texts_of_its_own(program: Program) -> None:
    program("chat", "Captain Sol", "-m", "Hello", "--new")
    place = program("conversation", "list", "--json").json[0]["id"]
    empty = {"conversation_id": place, "scenario": "", "examples": "", "main_prompt": ""}
    assert program("conversation", "override", place, "--json").json == empty
    program("conversation", "override", place, "--scenario", "On the moon.")
    given = program("conversation", "override", place[:6], "--main-prompt", "-", stdin="Be brief.", code=0)
    assert "On the moon." in given.out and "Be brief." in given.out
    shown = program("chat", "Captain Sol", "-m", "x", "--conversation", place, "--show-prompt").out
    assert "On the moon." in shown and "Be brief." in shown
    held = program("conversation", "override", place, "--scenario", "", "--json").json
    assert held == empty | {"main_prompt": "Be brief."}
    program("conversation", "override", "nosuch", code=5)
