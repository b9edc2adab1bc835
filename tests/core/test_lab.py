"""The laboratory: files with mistakes, what makes a reply anew, checks, and what two results differ in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llm_server import ModelServer, document, model_server, stream

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.turn import TurnCompleted
from lunalux_core.errors import InvalidInput, NotFound, ProviderError
from lunalux_core.importing import import_data
from lunalux_core.lab.comparison import differing, prompt_changes, word_changes
from lunalux_core.lab.experiment import Experiment
from lunalux_core.lab.experiment_file import read_experiment
from lunalux_core.lab.runs import Laboratory, TrialResult
from lunalux_core.library.lab import KEPT_RUNS, LabRun
from lunalux_core.library.profiles import Profile
from lunalux_core.llm.model import SERVERLESS
from lunalux_core.runtime import Runtime
from lunalux_tui import i18n

ADA = """
[[turns]]
name = "greeting"
card = "ada.json"
say = "Is the reef near?"
"""
BOOK = {"entries": {"0": {"uid": 0, "key": ["reef"], "comment": "The reef", "content": "It is sharp."}}}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an experiment beside a card and a worldbook."""
    card = Card.new("Ada", description="Ada keeps the lighthouse.", first_mes="Mind the steps, {{user}}.")
    (tmp_path / "ada.json").write_bytes(export_card(card, "json"))
    (tmp_path / "reef.json").write_text(json.dumps(BOOK), "utf-8")

    def written(text: str, name: str = "lab.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return written


@pytest.fixture
async def runtime(home: Path) -> AsyncIterator[Runtime]:
    async with Runtime.open(load_settings()) as opened:
        yield opened


async def ran(
    runtime: Runtime, path: Path, *, fresh: bool = False, jobs: int = 1
) -> tuple[LabRun, Sequence[TrialResult]]:
    laboratory = Laboratory(runtime, read_experiment(path))
    planned = await laboratory.plan()
    run = await laboratory.begin(planned, fresh=fresh)
    return run, await laboratory.run(run, planned, jobs, lambda result: None)


def content(result: TrialResult) -> str:
    assert result.reply is not None, result.error
    return str(result.reply["content"])


# -- the file ------------------------------------------------------------------------------------------

MISTAKES = [
    ("[[turns]\n", "syntax", "line 1"),
    ("x = 1\n" + ADA, "key", "line 1"),
    ("turns = 3\n", "value", "line 1"),
    ('name = "empty"\n', "missing_turns", ""),
    ('[[turns]]\nsay = "Hi"\n', "missing_conversation", "line 1"),
    ('[[turns]]\ncharacter = "Ada"\n', "missing_say", "line 1"),
    ('[[turns]]\ncharacter = "Ada"\nsay = ""\n', "value", "line 3"),
    (ADA + 'charcter = "Ada"\n', "key", "line 6"),
    (ADA + 'conversation = "1"\n', "together", "line 4"),
    (ADA + 'message = "1"\n', "together", "line 6"),
    (ADA + 'messages = [{role = "nobody", content = "x"}]\n', "value", "line 6"),
    (ADA + 'messages = [\n  {rol = "user", content = "x"},\n]\n', "key", "line 6"),
    (ADA + "greeting = 1\n", "value", "line 6"),
    (ADA + ADA, "twice", "line 8"),
    (ADA + '[[variants]]\nname = "a/b"\n', "value", "line 7"),
    (ADA + "[[variants]]\nrepeat = 0\n", "value", "line 7"),
    (ADA + "[[variants]]\nseed = true\n", "value", "line 7"),
    (ADA + "[[variants]]\nset = {temprature = 1}\n", "unusable", "line 7"),
    (ADA + "[[variants]]\n[variants.set]\ntemperature = 9\n", "unusable", "line 8"),
    (ADA + "[[variants]]\nset = {seed = 1}\nseed = 2\n", "together", "line"),
    (ADA + '[[variants]]\n[[variants]]\nmodle = "practice"\n', "key", "line 8"),
    (ADA + '[[checks]]\nturns = ["greeting"]\n', "missing_contains", "line 6"),
    (ADA + '[[checks]]\ncontain = "x"\n', "key", "line 7"),
    (ADA + '[[checks]]\nturns = ["greting"]\ncontains = "x"\n', "name", "line 7"),
    (ADA + '[[checks]]\ncontains = "x"\n\n[[checks]]\ntokens_max = "many"\n', "value", "line 10"),
    (ADA + '[[checks]]\nfinish = "done"\n', "value", "line 7"),
    (ADA + "[[checks]]\ncontains = []\n", "value", "line 7"),
    (ADA + "[[variants]]\nrepeat = 100\n" * 101 + ADA.replace("greeting", "b"), "value", ""),
]


@pytest.mark.parametrize(("text", "kind", "line"), MISTAKES)
def test_a_mistake_in_the_file_is_told_with_its_line_in_both_languages(
    write: Callable[..., Path], text: str, kind: str, line: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_experiment(write(text))
    error = caught.value
    assert error.code == "LAB_FILE_INVALID" and error.params["kind"] == kind
    assert line in error.message and error.hint
    i18n.use("zh")
    told = " ".join(i18n.tell(error))
    assert told != f"{error.message} {error.hint}" and "lab.toml" in told
    i18n.use("en")


def test_a_wrong_key_names_the_nearest_one(write: Callable[..., Path]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_experiment(write(ADA + '[[checks]]\ncontain = "x"\n'))
    assert caught.value.message == "lab.toml, line 7: there is no key contain in [[checks]]."
    assert "contains" in caught.value.hint


def test_a_file_with_a_byte_order_mark_and_arrays_on_a_line_is_read(write: Callable[..., Path]) -> None:
    path = write('\ufeffturns = [{card = "ada.json", messages = [{role = "user", content = "Hi"}]}]')
    experiment = read_experiment(path)
    assert experiment.name == "lab" and experiment.turns[0].name == "turn 1"
    assert experiment.turns[0].say == "Hi" and experiment.turns[0].messages == ()
    assert [trial.label for trial in experiment.trials()] == ["turn 1/as it is"]


def test_lines_are_told_apart_from_what_a_long_text_holds(write: Callable[..., Path]) -> None:
    text = '[[turns]]\ncard = "ada.json"\nsay = """\n[[turns]]\ncard = 1\n"""\n[[turns]]\ncrad = "x"\n'
    with pytest.raises(InvalidInput, match="line 8: there is no key crad"):
        read_experiment(write(text))


UNUSABLE = [
    ('model = "nobody"', "model"),
    ('preset = "no such preset"', "preset"),
    ('preset = "gone/preset.json"', "preset"),
    ('preset = "reef.json"', "preset"),
    ('profile = "Nobody"', "profile"),
    ('template = "No such"', "template"),
    ('template = "ChatML"', "template"),  # practice is sent messages
    ('worldbooks = ["Nothing"]', "worldbooks"),
    ('worldbooks = ["ada.json"]', "worldbooks"),
    ('card = "reef.json"', "card"),
]


@pytest.mark.parametrize(("line", "key"), UNUSABLE)
async def test_what_a_variant_names_and_is_not_there_is_told_before_anything_runs(
    write: Callable[..., Path], runtime: Runtime, line: str, key: str
) -> None:
    laboratory = Laboratory(runtime, read_experiment(write(f"{ADA}[[variants]]\n{line}\n")))
    with pytest.raises(InvalidInput) as caught:
        await laboratory.plan()
    assert caught.value.code == "LAB_FILE_INVALID"
    assert caught.value.message.startswith(f"lab.toml, line 7: {key}: ")
    assert not await runtime.library.lab.list()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[turns]]\nconversation = "ffff"\n', "line 2: conversation"),
        ('[[turns]]\ncharacter = "Nobody at all"\nsay = "Hi"\n', "line 2: character"),
        ('[[turns]]\ncard = "gone.png"\nsay = "Hi"\n', "line 2: card"),
        (ADA + '[[variants]]\nwithout_worldbooks = ["Reef"]\n', "line 7: without_worldbooks names Reef"),
        (ADA + "[[checks]]\nmatches = '(a'\n", "line 7: matches"),
        (ADA + "[[checks]]\ncontains = 'a'\n[[checks]]\nnot_matches = '/a/x'\n", "line 9: not_matches"),
    ],
)
async def test_what_turns_and_checks_name_is_looked_at_before_anything_runs(
    write: Callable[..., Path], runtime: Runtime, text: str, line: str
) -> None:
    laboratory = Laboratory(runtime, read_experiment(write(text)))
    with pytest.raises(InvalidInput) as caught:
        await laboratory.plan()
    assert caught.value.code == "LAB_FILE_INVALID" and line in caught.value.message


# -- running -------------------------------------------------------------------------------------------


async def test_a_recorded_turn_is_run_again_and_the_conversation_stays_as_it_is(
    write: Callable[..., Path], runtime: Runtime, tmp_path: Path
) -> None:
    imported = await import_data(
        runtime.library, runtime.paths, (tmp_path / "ada.json").read_bytes(), "ada.json"
    )
    place = await runtime.chat.open(imported.id)
    for words in ("Is the reef near?", "And the harbour?"):
        events = [event async for event in runtime.chat.send(place.id, words)]
        assert isinstance(events[-1], TurnCompleted)
    await runtime.library.conversations.set(place.id, draft="Half a")
    path = await runtime.library.conversations.page(place.id)
    before = await runtime.library.database.read(_everything)
    first, last = path[2], path[4]
    text = f"""
[[turns]]
name = "last"
conversation = "{place.id[:6]}"
[[turns]]
name = "first"
conversation = "{place.id}"
message = "{first.id[:8]}"
[[turns]]
name = "otherwise"
conversation = "{place.id}"
message = "{path[1].id}"
say = "Is the sea calm?"
"""
    _, results = await ran(runtime, write(text))
    assert [content(result) for result in results[:2]] == [last.content, first.content]
    assert "calm" in content(results[2])
    assert await runtime.library.database.read(_everything) == before
    with pytest.raises(InvalidInput, match="greeting"):
        await ran(runtime, write(f'[[turns]]\nconversation = "{place.id}"\nmessage = "{path[0].id}"\n'))
    with pytest.raises(InvalidInput, match="no message abcd"):
        await ran(runtime, write(f'[[turns]]\nconversation = "{place.id}"\nmessage = "abcd"\n'))


def _everything(connection: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for table in ("conversations", "messages", "turn_records", "state", "changes"):
        rows += [tuple(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
    return rows


async def test_a_reply_is_asked_for_anew_when_something_behind_it_changes_and_only_then(
    write: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    two = ADA + '[[variants]]\nname = "plain"\n[[variants]]\nname = "book"\nworldbooks = ["reef.json"]\n'
    async with model_server(unknown=True) as server, opened(server) as runtime:
        server.will(stream("The lamp burns."))
        run, results = await ran(runtime, write(two))
        assert len(server.seen) == 2 and not any(result.kept for result in results)
        prompts = [json.dumps(seen.body) for seen in server.seen]
        assert "It is sharp." not in prompts[0] and "It is sharp." in prompts[1]
        assert "Mind the steps, Traveller." in prompts[0], "the story begins with the greeting"
        # A check costs nothing, another order neither, and more repeats only what is new.
        again, results = await ran(runtime, write(two + '[[checks]]\ncontains = "lamp"\n'))
        assert len(server.seen) == 2 and all(result.kept and result.passed for result in results)
        assert again.id == run.id
        await ran(runtime, write(two.replace('name = "book"', 'name = "book"\nrepeat = 2')))
        assert len(server.seen) == 3
        # The book, then the card behind a variant changes.
        (tmp_path / "reef.json").write_text(json.dumps(BOOK).replace("sharp", "blunt"), "utf-8")
        _, results = await ran(runtime, write(two))
        assert len(server.seen) == 4 and [result.kept for result in results] == [True, False]
        (tmp_path / "ada.json").write_bytes(export_card(Card.new("Ada", description="Ada sings."), "json"))
        await ran(runtime, write(two))
        assert len(server.seen) == 6
        # What is written into the file of a variant.
        await ran(runtime, write(two.replace('name = "plain"', 'name = "plain"\nset = {top_p = 0.5}')))
        assert len(server.seen) == 7 and server.seen[-1].body["top_p"] == 0.5
        # A fresh run has an id of its own and asks for all.
        fresh, _ = await ran(runtime, write(two), fresh=True)
        assert len(server.seen) == 9 and fresh.id != run.id
        await ran(runtime, write(two))
        assert len(server.seen) == 9, "a run goes on in the newest one"


def opened(server: ModelServer) -> Any:
    """A runtime whose model is the server's."""
    settings = load_settings()
    model = SavedModel("m", "openai", "m", server.url)
    return Runtime.open(replace(settings, models={"m": model}, model="m"))


async def test_a_failing_reply_does_not_stop_the_others_and_is_asked_for_again(
    write: Callable[..., Path],
) -> None:
    text = ADA + "".join(f'[[variants]]\nname = "{name}"\n' for name in "abc")
    refused = document({"error": {"message": "No such model."}}, 404)
    async with model_server(unknown=True) as server, opened(server) as runtime:
        server.will(stream("One."), refused, stream("Three."))
        _, results = await ran(runtime, write(text))
        assert [result.trial.variant.name for result in results if result.error is None] == ["a", "c"]
        assert isinstance(results[1].error, ProviderError)
        server.will(stream("Two."))
        _, results = await ran(runtime, write(text))
        assert [content(result) for result in results] == ["One.", "Two.", "Three."]
        assert [result.kept for result in results] == [True, False, True] and len(server.seen) == 4


async def test_replies_at_once_keep_the_order_of_the_file(write: Callable[..., Path]) -> None:
    text = ADA + "[[variants]]\nrepeat = 6\nseed = 40\n"
    async with model_server(unknown=True) as server, opened(server) as runtime:
        server.will(stream("The lamp burns."))
        _, results = await ran(runtime, write(text), jobs=3)
        assert [result.trial.repeat for result in results] == [1, 2, 3, 4, 5, 6]
        assert sorted(seen.body["seed"] for seen in server.seen) == [40, 41, 42, 43, 44, 45]


async def test_what_is_drawn_by_chance_is_alike_for_all_variants_and_runs(
    write: Callable[..., Path], runtime: Runtime, tmp_path: Path
) -> None:
    dice = "{{random::" + "::".join(str(number) for number in range(200)) + "}}"
    card = Card.new("Ada", description=f"Ada rolls {dice}.")
    (tmp_path / "ada.json").write_bytes(export_card(card, "json"))
    text = ADA + '[[variants]]\nname = "a"\n[[variants]]\nname = "b"\nset = {top_p = 0.5}\n'
    _, results = await ran(runtime, write(text))
    _, again = await ran(runtime, write(text), fresh=True)
    hashes = {result.reply["prompt"]["sha256"] for result in [*results, *again] if result.reply}
    assert len(hashes) == 1


async def test_presets_worldbooks_profiles_and_cards_take_their_place(
    write: Callable[..., Path], runtime: Runtime, tmp_path: Path
) -> None:
    own = {"entries": [{"keys": ["reef"], "content": "Her own reef.", "enabled": True, "insertion_order": 1}]}
    card = Card.new("Ada", description="Ada sings.", character_book={"name": "Own", **own})
    (tmp_path / "other.json").write_bytes(export_card(card, "json"))
    main = {"identifier": "main", "role": "system", "content": "Be {{char}}, briefly."}
    story = {"identifier": "chatHistory", "name": "Chat History", "marker": True}
    order = [{"identifier": name, "enabled": True} for name in ("main", "chatHistory")]
    preset = {"prompts": [main, story], "prompt_order": [{"character_id": 100001, "order": order}]}
    (tmp_path / "brief.json").write_text(json.dumps(preset), "utf-8")
    await runtime.library.worldbooks.add("Reef of all", BOOK, enabled=True)
    text = (
        ADA
        + """
[[variants]]
name = "file"
preset = "brief.json"
instruction = "Whisper."
[[variants]]
name = "named"
preset = "default"
without_worldbooks = ["Reef of all"]
[[variants]]
name = "card"
card = "other.json"
[[variants]]
name = "none"
card = "other.json"
without_worldbooks = "*"
[[checks]]
variants = ["file"]
prompt_contains = ["Be Ada, briefly.", "Whisper."]
prompt_not_contains = "You are the mirror"
[[checks]]
variants = ["card"]
prompt_contains = "It is sharp."
[[checks]]
variants = ["named", "none"]
prompt_not_contains = ["It is sharp.", "Her own reef."]
[[checks]]
variants = ["card"]
prompt_contains = ["Ada sings.", "Her own reef."]
"""
    )
    _, results = await ran(runtime, write(text))
    told = [outcome.reason for result in results for outcome in result.outcomes if not outcome.passed]
    assert told == []
    assert [result.reply["prompt"]["preset"] for result in results if result.reply][:2] == [
        "brief",
        "default",
    ]


async def test_a_turn_of_a_group_is_answered_by_whoever_spoke(
    write: Callable[..., Path], runtime: Runtime, tmp_path: Path
) -> None:
    bea = export_card(Card.new("Bea", description="Bea mends nets."), "json")
    ids = [
        (await import_data(runtime.library, runtime.paths, data, "card.json")).id
        for data in ((tmp_path / "ada.json").read_bytes(), bea)
    ]
    group = await runtime.library.groups.create("The shop", ids)
    place = await runtime.chat.start_group(group.id)
    events = [event async for event in runtime.chat.send(place.id, "Bea, Ada, hello!")]
    replies = [event.message for event in events if isinstance(event, TurnCompleted) and event.message]
    assert len({reply.speaker for reply in replies}) == 2
    rows = "".join(f'[[turns]]\nconversation = "{place.id}"\nmessage = "{reply.id}"\n' for reply in replies)
    _, results = await ran(runtime, write(rows))
    assert [content(result) for result in results] == [reply.content for reply in replies]
    with pytest.raises(InvalidInput, match="has the cards of its members"):
        await ran(runtime, write(rows + '[[variants]]\ncard = "ada.json"\n'))


async def test_profiles_and_templates_take_their_place_and_a_profile_that_lacks_something_does_not(
    write: Callable[..., Path],
) -> None:
    async with model_server(unknown=True) as server:
        whole = SavedModel("whole", "openai", "m", server.url, mode="text")
        async with Runtime.open(replace(load_settings(), models={"whole": whole})) as runtime:
            server.will(document({"choices": [{"text": "The lamp burns.", "finish_reason": "stop"}]}))
            await runtime.library.profiles.save(Profile("Cool", model="whole", sampling={"top_p": 0.25}))
            await runtime.library.profiles.save(Profile("Lost", model="nobody"))
            text = ADA + '[[variants]]\nprofile = "cool"\ntemplate = "ChatML"\n'
            run, (result,) = await ran(runtime, write(text))
            assert result.error is None and server.seen[-1].body["top_p"] == 0.25
            assert "<|im_start|>" in server.seen[-1].body["prompt"]
            assert result.reply is not None and result.reply["prompt"]["template"] == "ChatML"
            assert result.reply["prompt"]["profiles"] == ["Cool"]
            with pytest.raises(InvalidInput, match="The profile Lost names the model nobody"):
                await ran(runtime, write(ADA + '[[variants]]\nprofile = "Lost"\n'))
            await runtime.library.lab.delete(run.id)
            assert not await runtime.library.lab.list()
            assert await runtime.library.lab.result(run.id, run.cells[0].key) is None


# -- checks --------------------------------------------------------------------------------------------


async def test_checks_say_why_they_fail(write: Callable[..., Path], runtime: Runtime) -> None:
    text = (
        ADA
        + """
[[checks]]
contains = ["reef", "submarine"]
not_contains = "Ada"
matches = '/^submarine/i'
not_matches = '/a(d)a/i'
finish = ["length", "cut"]
tokens_max = 1
tokens_min = 9000
cost_max = 0
seconds_max = 0
prompt_contains = "submarine"
prompt_not_contains = "lighthouse"
prompt_tokens_max = 2
prompt_tokens_min = 90000
"""
    )
    _, (result,) = await ran(runtime, write(text))
    reasons = {outcome.check.kind: outcome.reason for outcome in result.outcomes}
    assert reasons["contains"] == "The reply does not contain “submarine”."
    assert reasons["not_contains"] == "The reply contains “Ada”."
    assert reasons["matches"] == "Nothing matches /^submarine/i."
    assert reasons["not_matches"] == "/a(d)a/i matches “Ada”."
    assert reasons["finish"] == "It ended with stop, not with length, cut."
    assert reasons["cost_max"] == "", "the practice model costs nothing"
    assert reasons["prompt_contains"] == "The prompt does not contain “submarine”."
    assert all(reasons[kind] for kind in reasons if kind != "cost_max")
    i18n.use("zh")
    assert all(i18n.note(reason) != reason for reason in reasons.values() if reason)
    i18n.use("en")


async def test_a_pattern_that_never_ends_is_stopped_and_fails(
    write: Callable[..., Path], runtime: Runtime
) -> None:
    text = ADA.replace("Is the reef near?", "a" * 40) + "[[checks]]\nmatches = '^((a+)+b|.*(a+)+c)$'\n"
    async with model_server(unknown=True) as server, opened(server) as served:
        server.will(stream("a" * 60))
        _, (result,) = await ran(served, write(text))
    assert [outcome.reason for outcome in result.outcomes] == [
        "The regular expression took too long and was stopped."
    ]


async def test_a_price_that_nobody_knows_fails_its_check(write: Callable[..., Path]) -> None:
    async with model_server(unknown=True) as server, opened(server) as runtime:
        server.will(stream("The lamp burns."))
        _, (result,) = await ran(runtime, write(ADA + "[[checks]]\ncost_max = 1\n"))
    assert result.outcomes[0].reason == "Nobody knows what the reply cost."
    assert "practice" in SERVERLESS


# -- comparing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "pieces", "words"),
    [
        ("", "", [], 0),
        ("The lamp burns.", "The lamp burns.", [("same", "The lamp burns.")], 0),
        (
            "The lamp burns low.",
            "The light burns low!",
            [
                ("same", "The "),
                ("gone", "lamp"),
                ("new", "light"),
                ("same", " burns low"),
                ("gone", "."),
                ("new", "!"),
            ],
            2,
        ),
        ("灯亮着。", "灯灭了。", [("same", "灯"), ("gone", "亮着"), ("new", "灭了"), ("same", "。")], 4),
        ("one two", "three four", [("gone", "one two"), ("new", "three four")], 4),
        ("", "new words", [("new", "new words")], 2),
    ],
)
def test_words_that_differ(before: str, now: str, pieces: list[tuple[str, str]], words: int) -> None:
    found = word_changes(before, now)
    assert found == pieces and differing(found) == words
    assert "".join(text for mark, text in found if mark != "new") == before
    assert "".join(text for mark, text in found if mark != "gone") == now


async def test_what_a_variant_changed_in_the_prompt(write: Callable[..., Path], runtime: Runtime) -> None:
    text = (
        ADA
        + '[[variants]]\nname = "base"\nseed = 1\n[[variants]]\nname = "book"\nseed = 2\n'
        + 'worldbooks = ["reef.json"]\ninstruction = "Whisper."\n[[variants]]\nname = "same"\nseed = 1\n'
    )
    run, _ = await ran(runtime, write(text))
    rows = [await runtime.library.lab.result(run.id, cell.key) for cell in run.cells]
    base, book, same = (row.record for row in rows if row is not None)
    assert prompt_changes(base, same) == {
        "cause": "same",
        "slot": "",
        "shared_tokens": sum(message["tokens"] for message in same["messages"]),
        "messages": [],
        "entries": [],
        "parameters": [],
    }
    changes = prompt_changes(base, book)
    assert changes["entries"] == [{"mark": "new", "book": "reef", "uid": "0", "name": "The reef"}]
    assert changes["parameters"] == [{"name": "seed", "before": 1, "now": 2}]
    assert any("Whisper." in part["now"] and part["mark"] == "changed" for part in changes["messages"])
    assert changes["cause"] in {"worldbook", "instruction"}


async def test_few_runs_of_a_file_are_kept_and_one_is_found_by_name_or_id(
    write: Callable[..., Path], runtime: Runtime
) -> None:
    path = write('name = "Keeper"\n' + ADA)
    ids = [(await ran(runtime, path, fresh=True))[0].id for _ in range(KEPT_RUNS + 1)]
    runs = await runtime.library.lab.list()
    assert [run.id for run in runs] == ids[:0:-1]
    assert (await runtime.library.lab.find("keep")).id == ids[-1]
    assert (await runtime.library.lab.find(ids[3])).id == ids[3]
    with pytest.raises(NotFound) as caught:
        await runtime.library.lab.find("Kepeer")
    assert caught.value.code == "LAB_RUN_NOT_FOUND" and "Keeper" in caught.value.hint
    assert isinstance(read_experiment(path), Experiment)
