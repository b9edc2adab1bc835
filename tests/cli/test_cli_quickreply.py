"""Quick replies on the command line: sets in and out without loss, found by name, run by label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

SET: dict[str, Any] = {
    "version": 2,
    "name": "Table dice",
    "disableSend": False,
    "color": "rgba(0, 0, 0, 0)",
    "unknown": {"kept": [1, "二"]},
    "qrList": [
        {
            "id": 1,
            "label": "d6",
            "message": "/rand from=7 to=7 | /run number={{pipe}} sides=6 shown",
            "contextList": [],
        },
        {
            "id": 2,
            "label": "shown",
            "message": "/echo {{arg::number}} of {{arg::sides}}{{arg::other}}",
            "isHidden": True,
        },
        {"id": 3, "label": "hello", "title": "Say hello", "message": "Hello there"},
        {"id": 4, "label": "dot.ted", "message": "/run sides=2 Table dice.shown"},
        {"id": 5, "label": "send", "message": "/send hi"},
    ],
}
SLOTS = {
    "name": "Old",
    "quickReplyEnabled": True,
    "AutoInputInject": True,
    "quickReplySlots": [
        {"mes": "/echo old", "label": "one", "enabled": True, "autoExecute_userMessage": True},
        {"mes": "", "label": "", "enabled": True},
        {"mes": "two", "label": "second", "enabled": False},
    ],
}


@pytest.fixture
def imported(program: Program, tmp_path: Path) -> str:
    (tmp_path / "dice.json").write_text(json.dumps(SET), encoding="utf-8")
    (row,) = program("quickreply", "import", "dice.json", "--json").json
    identity: str = row["id"]
    return identity


def test_a_set_comes_in_once_is_listed_and_goes_out_as_it_was(
    program: Program, imported: str, tmp_path: Path
) -> None:
    (again,) = program("quickreply", "import", "dice.json", "--json").json
    assert again["id"] == imported and again["notes"] == ["Table dice was there already."]
    (again,) = program("quickreply", "import", "dice.json", "--json", LUNALUX_LANG="zh").json
    assert again["notes"] == ["Table dice 已经有了。"]
    (row,) = program("quickreply", "list", "--json").json
    assert (row["id"], row["name"]) == (imported, "Table dice")
    assert row["replies"][1] == {
        "id": 2,
        "label": "shown",
        "title": "",
        "script": True,
        "hidden": True,
        "runs_on": [],
        "menus": [],
    }
    program("quickreply", "export", "dice", "out.json")
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == SET


def test_replies_run_by_label_and_call_each_other(program: Program, imported: str) -> None:
    assert program("quickreply", "run", "table", "d6").out == "7 of 6\n"
    assert program("quickreply", "run", imported, "HELLO").out == "Hello there\n"
    assert program("quickreply", "run", "Table dice", "dot.ted", "--json").json["pipe"] == " of 2"
    refused = program("quickreply", "run", "Table dice", "send", code=1)
    assert "/send" in refused.err and refused.out == ""


MENU = {
    "version": 2,
    "name": "Weather",
    "qrList": [
        {
            "id": 1,
            "label": "sky",
            "message": "/setvar key=what {{pipe}}rain",
            "contextList": [
                {"set": "Colours", "isChained": True},
                {"set": "Nowhere", "isChained": False},
                {"set": "Weather"},
            ],
        },
        {"id": 2, "label": "burger", "message": "", "contextList": [{"set": "Weather"}]},
        {"id": 3, "label": "inside", "message": "/echo in", "isHidden": True, "icon": "fa-house"},
        {"id": 4, "label": "library", "message": "/echo no", "isHidden": True},
    ],
}
COLOURS = {
    "version": 2,
    "name": "Colours",
    "qrList": [
        {"id": 1, "label": "grey", "message": "/echo grey {{getvar::what}} of %%parent%%"},
        {
            "id": 2,
            "label": "more",
            "message": "/pass {{pipe}}!",
            "contextList": [{"set": "Weather", "isChained": True}, {"set": "Colours"}, {"set": "Shades"}],
        },
        {"id": 3, "label": "hidden", "message": "/echo no", "isHidden": True},
    ],
}
SHADES = {
    "version": 2,
    "name": "Shades",
    "qrList": [{"id": 1, "label": "dark", "message": "%%parent-2%% %%parent%% %%parent-9%% dark"}],
}


def test_replies_behind_a_menu_are_named_on_the_way_to_them(program: Program, tmp_path: Path) -> None:
    """A chained one runs behind the one that opens it; of a set's own replies only hidden ones with an icon
    stand in its menu; a set that was opened on the way is not opened again."""
    for document in (MENU, COLOURS, SHADES):
        (tmp_path / "set.json").write_text(json.dumps(document), encoding="utf-8")
        program("quickreply", "import", "set.json")
    rows = program("quickreply", "list", "--json").json
    assert rows[0]["replies"][0]["menus"] == [
        {"set": "Colours", "chained": True},
        {"set": "Nowhere", "chained": False},
        {"set": "Weather", "chained": False},
    ]
    assert "sky ▸ Colours/Nowhere/Weather" in program("quickreply", "list").out.replace("\n", "")
    assert program("quickreply", "run", "Weather", "sky", "GREY").out == "grey rain of sky\n"
    assert program("quickreply", "run", "Weather", "sky", "inside").out == "in\n"
    assert program("quickreply", "run", "Weather", "burger", "inside").out == "in\n"
    dark = program("quickreply", "run", "Weather", "sky", "more", "dark").out
    assert dark == "sky more sky dark\n"
    refused = program("quickreply", "run", "Weather", "burger", code=1)
    assert "only opens a menu" in refused.err and "inside" in refused.err
    assert "grey, more, inside" in program("quickreply", "run", "Weather", "sky", "hidden", code=5).err
    assert program("quickreply", "run", "Weather", "sky", "more", "sky").out == "rain!rain\n"
    again = program("quickreply", "run", "Weather", "sky", "more", "sky", "grey", code=5).err
    assert "It is empty" in again
    chinese = program("quickreply", "run", "Weather", "burger", code=1, LUNALUX_LANG="zh").err
    assert "菜单" in chinese


def test_menus_of_any_type_do_no_harm(program: Program, tmp_path: Path) -> None:
    menus = [
        5,
        None,
        {"set": ["x"]},
        {"set": 7, "isChained": "yes"},
        {"isChained": True},
        *[{"set": "S"}] * 500,
    ]
    replies = [
        {"id": 1, "label": "a", "message": "/echo a", "contextList": menus},
        {"id": 2, "label": "b", "message": "/echo b", "contextList": "S"},
    ]
    (tmp_path / "odd.json").write_text(json.dumps({"name": "S", "qrList": replies}), encoding="utf-8")
    (row,) = program("quickreply", "import", "odd.json", "--json").json
    assert {"set": "S", "chained": False} in row["replies"][0]["menus"] and row["replies"][1]["menus"] == []
    assert program("quickreply", "run", "S", "a").out == "a\n"


def test_old_slots_become_a_set(program: Program, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps(SLOTS), encoding="utf-8")
    (row,) = program("quickreply", "import", "old.json", "--json").json
    assert [(reply["label"], reply["hidden"]) for reply in row["replies"]] == [
        ("one", False),
        ("second", True),
    ]
    assert program("quickreply", "run", "Old", "one").out == "old\n"
    program("quickreply", "export", "Old", "new.json")
    written = json.loads((tmp_path / "new.json").read_text("utf-8"))
    assert written["version"] == 2 and written["injectInput"] is True and "quickReplySlots" not in written
    assert written["qrList"][0]["autoExecute_userMessage"] is True


def test_an_import_names_what_the_replies_lack_in_both_languages(program: Program, tmp_path: Path) -> None:
    """The others of the set run."""
    replies = [
        {"id": 1, "label": "flies", "message": "/fly to=moon | /echo there | /land"},
        {"id": 2, "label": "open", "message": "/if left=1 {: /echo a"},
        {"id": 3, "label": "fine", "message": "/echo here"},
    ]
    (tmp_path / "set.json").write_text(json.dumps({"name": "Trip", "qrList": replies}), encoding="utf-8")
    (row,) = program("quickreply", "import", "set.json", "--json").json
    first, second = row["notes"]
    assert first.startswith("flies: ") and "/fly (line 1, column 1), /land (line 1, column 30)" in first
    assert second.startswith("open: ") and "Line 1, column" in second
    told = program("quickreply", "import", "set.json", LUNALUX_LANG="zh").err
    assert (
        "flies：无法运行，这里没有 /fly（第 1 行第 1 列）, /land（第 1 行第 30 列）" in told
        and "open：无法运行。第 1 行" in told
    )
    assert program("quickreply", "run", "Trip", "fine").out == "here\n"
    refused = program("quickreply", "run", "Trip", "flies", code=1)
    assert "/fly" in refused.err and refused.out == ""


def test_what_is_missing_is_told_with_what_is_near(program: Program, imported: str) -> None:
    assert "Table dice" in program("quickreply", "run", "tabel dice", "d6", code=5).err
    assert "d6, shown" in program("quickreply", "run", "Table dice", "d7", code=5).err
    chinese = program("quickreply", "export", "nothing", "x.json", code=5, LUNALUX_LANG="zh").err
    assert "没有快捷回复组" in chinese


def test_completion_knows_the_sets(program: Program, imported: str) -> None:
    shown = program(
        _LUNALUX_COMPLETE="complete_bash", COMP_WORDS="lunalux quickreply export ", COMP_CWORD="3", code=None
    )
    assert "Table" in shown.out


def test_a_deletion_needs_a_word(program: Program, imported: str) -> None:
    program("quickreply", "delete", "Table dice", code=2)
    assert program("quickreply", "delete", "Table dice", "--yes", "--json").json["id"] == imported
    assert program("quickreply", "list", "--json").json == []


@pytest.mark.parametrize(
    "document",
    [
        {"qrList": [5, None, {"label": ["x"], "message": {"a": 1}, "id": "no", "isHidden": []}], "name": 7},
        {"qrList": [], "name": None, "version": "x"},
        {"quickReplySlots": [1, {"mes": 5, "label": None, "enabled": "no"}], "name": ["a"]},
    ],
)
def test_fields_of_the_wrong_type_do_no_harm(program: Program, tmp_path: Path, document: Any) -> None:
    (tmp_path / "odd.json").write_text(json.dumps(document), encoding="utf-8")
    (row,) = program("quickreply", "import", "odd.json", "--json").json
    program("quickreply", "list")
    program("quickreply", "export", row["id"], "odd2.json")
    program("quickreply", "delete", row["id"], "--yes")


def test_what_holds_no_quick_replies_is_told(program: Program, tmp_path: Path) -> None:
    for document in ({"qrList": "x"}, [1], {}, {"entries": {}}):
        (tmp_path / "no.json").write_text(json.dumps(document), encoding="utf-8")
        assert "no quick replies" in program("quickreply", "import", "no.json", code=None).err


def test_a_set_is_put_in_force_and_may_run_by_itself(program: Program, tmp_path: Path) -> None:
    auto = {"id": 1, "label": "a", "message": "/echo a", "executeOnAi": True, "automationId": "x"}
    (tmp_path / "auto.json").write_text(json.dumps({"version": 2, "name": "Auto", "qrList": [auto]}))
    (row,) = program("quickreply", "import", "auto.json", "--json").json
    assert row["in_force"] == [] and row["automatic"] is None
    assert row["replies"][0]["runs_on"] == ["reply", "worldbook"]
    program("quickreply", "use", "Auto")
    assert "by themselves" in program("quickreply", "use", "Auto", "--character", "Sol").err
    used = program("quickreply", "use", "auto", "--off", "--automatic", "--json").json
    assert used["automatic"] is True and [place["scope"] for place in used["in_force"]] == ["character"]
    used = program("quickreply", "use", "auto", "--no-automatic", "--no-buttons", "--json").json
    assert used["automatic"] is False
    assert used["in_force"][-1] == {"scope": "global", "target": None, "buttons": False}
    program("quickreply", "use", "auto", "--character", "a", "--group", "b", code=2)
    program("quickreply", "use", "nosuch", code=5)
    program("quickreply", "use", "auto", "--conversation", "nosuch", code=5)
    program("quickreply", "delete", "auto", "--yes")
    assert program("quickreply", "list", "--json").json == []


def test_an_import_of_a_data_folder_says_how_its_quick_replies_come_in(
    program: Program, tmp_path: Path
) -> None:
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Ada", "first_mes": "Hm."}}
    files = {"characters/ada.json": card, "worlds/w.json": {"entries": {}}, "QuickReplies/dice.json": SET}
    for name, document in files.items():
        target = tmp_path / "data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document), "utf-8")
    told = program("import", "data").err
    assert "lunalux quickreply import QuickReplies/" in told and "of no use" not in told
    (tmp_path / "data" / "themes").mkdir()
    (tmp_path / "data" / "themes" / "t.json").write_text("{}", "utf-8")
    (of_no_use,) = (line for line in program("import", "data").err.splitlines() if "of no use" in line)
    assert "themes" in of_no_use and "QuickReplies" not in of_no_use
