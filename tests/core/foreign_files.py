"""Files of other programs as their own writers shape them, by hand; used by the tests and the fuzzer."""

from __future__ import annotations

from typing import Any

ADA = {
    "name": "Ada",
    "description": "A clockmaker.",
    "first_mes": "Hello {{user}}.",
    "mes_example": "<START>\n{{char}}: Tick.",
}
CARD = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {
        **ADA,
        "personality": "calm",
        "scenario": "A shop.",
        "alternate_greetings": ["Good {{time}}.", "{{setvar::coat::red}}Hm."],
        "tags": ["a", "b"],
        "extensions": {
            "talkativeness": "0.5",
            "depth_prompt": {"prompt": "deep", "depth": "4", "role": 0},
            "regex_scripts": [
                {"scriptName": "s", "findRegex": "/a/g", "replaceString": "$1", "placement": [2]}
            ],
            "custom_fields": {"user_description": "intro"},
        },
        "character_book": {
            "name": "b",
            "scan_depth": 4,
            "entries": [
                {
                    "id": 0,
                    "keys": ["bell"],
                    "content": "BELL",
                    "enabled": True,
                    "insertion_order": 10,
                    "extensions": {"position": 4, "depth": 2},
                },
                {
                    "id": 1,
                    "keys": ["/x/i"],
                    "secondary_keys": ["y"],
                    "selective": True,
                    "content": "@@depth 2\nX",
                    "enabled": False,
                    "extensions": {},
                },
            ],
        },
        "assets": [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
        "nickname": "Addie",
        "group_only_greetings": ["All of you."],
        "creation_date": 1700000000,
        "source": ["x"],
    },
}
AGNAI_CHARACTER = {
    "kind": "character",
    "name": "Ada",
    "description": "for people",
    "persona": {
        "kind": "attributes",
        "attributes": {"species": ["human"], "job": ["clockmaker", "inventor"]},
    },
    "greeting": "Hello from Agnai",
    "scenario": "A shop.",
    "sampleChat": "{{user}}: hi\n{{char}}: hello",
    "alternateGreetings": ["Other"],
    "systemPrompt": "SYS",
    "tags": ["x"],
    "insert": {"depth": 3, "prompt": "deep"},
    "characterBook": {
        "kind": "memory",
        "name": "b",
        "entries": [
            {"name": "e", "entry": "BELL", "keywords": ["bell"], "priority": 0, "weight": 7, "enabled": True}
        ],
    },
}
FARADAY = {
    "version": 1,
    "character": {
        "aiName": "ada",
        "aiDisplayName": "Ada",
        "aiPersona": "{character} makes clocks for {user}.",
        "basePrompt": "Play {character}.",
        "firstMessage": "{user}, hello.",
        "customDialogue": "{user}: a",
        "scenario": "A shop.",
        "loreItems": [{"key": "bell, gong", "value": "BELL"}],
    },
}
RISU_CHARACTER = {
    "type": "character",
    "name": "Ada",
    "firstMessage": "Hello.",
    "desc": "A clockmaker.",
    "alternateGreetings": ["Other."],
    "exampleMessage": "{{char}}: Tick.",
    "globalLore": [
        {"key": "bell", "content": "BELL", "mode": "normal", "insertorder": 5, "alwaysActive": False}
    ],
    "customscript": [{"comment": "c", "in": "a", "out": "b", "type": "editoutput"}],
}
OOBA = {
    "internal": [["<|BEGIN-VISIBLE-CHAT|>", "Hello."], ["A & B", "<think>why</think>C"], ["D", "E2"]],
    "visible": [["", "Hello."], ["A &amp; B", "C"], ["D", "E2"]],
    "metadata": {
        "assistant_0": {"timestamp": "Aug 25, 2025 14:03", "model_name": "m.gguf"},
        "assistant_2": {
            "versions": [
                {"content": "E1", "visible_content": "E1"},
                {"content": "E2", "visible_content": "E2"},
            ],
            "current_version_index": 1,
        },
    },
}
AGNAI_CHAT = {
    "name": "Exported",
    "greeting": "Hello",
    "sampleChat": "",
    "scenario": "A shop",
    "messages": [
        {"characterId": "imported", "msg": "Hello", "state": "ok"},
        {"handle": "Bo", "userId": "u", "msg": "Hi"},
    ],
}
RISU_CHATS = {
    "type": "risuAllChats",
    "ver": 2,
    "data": [
        {
            "message": [
                {"role": "user", "data": "old", "time": 1720000000000},
                {"role": "char", "data": "cut", "disabled": "allBefore"},
                {"role": "user", "data": "Hi", "name": "Bo"},
                {"role": "char", "data": "A remark", "isComment": True},
                {
                    "role": "char",
                    "data": "Hello",
                    "swipes": ["Hello", "Hey"],
                    "generationInfo": {"model": "m"},
                },
            ],
            "note": "AUTHORNOTE",
            "name": "Chat 1",
            "localLore": [{"key": "k"}],
            "fmIndex": 1,
            "scriptstate": {"$gold": 7},
        },
        {"message": [{"role": "char", "data": "Second"}], "name": "Chat 2", "note": "", "localLore": []},
        {"message": [], "name": "Empty"},
    ],
    "folders": [],
}
KOBOLD = {
    "gamestarted": True,
    "prompt": "\nAda: Hello there.",
    "memory": "MEM",
    "authorsnote": "dusk",
    "anotetemplate": "[Note: <|>]",
    "actions": [
        "\nBob: Hi\nand more\nAda: How are you?\nCleo: Me too.",
        "\nBob: Fine[<|p|abc|p|>]",
        "\nAda: Good.",
    ],
    "actions_metadata": {},
    "worldinfo": [],
    "savedsettings": {"chatname": "Bob", "chatopponent": "Ada||$||Cleo", "opmode": 3},
}
KOBOLD_INSTRUCT = {
    "gamestarted": True,
    "prompt": "\n{{[INPUT]}}\nHi\n{{[OUTPUT]}}\n",
    "actions": ["<think>hm</think>Hello.", "\n{{[INPUT]}}\nBye\n{{[INPUT_END]}}\n{{[OUTPUT]}}\n", "See you."],
    "savedsettings": {"opmode": 4, "chatname": "User", "chatopponent": "KoboldAI"},
}
KOBOLD_RAW = {
    "gamestarted": True,
    "prompt": "\n<|im_start|>user\nHi",
    "actions": [
        "<|im_end|>\n<|im_start|>assistant\n",
        "Hello.",
        "<|im_end|>\n<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n",
        "See you.",
    ],
    "savedsettings": {
        "opmode": 4,
        "raw_instruct_tags": True,
        "separate_end_tags": True,
        "instruct_starttag": "<|im_start|>user\n",
        "instruct_starttag_end": "<|im_end|>\n",
        "instruct_endtag": "<|im_start|>assistant\n",
        "instruct_endtag_end": "<|im_end|>\n",
        "instruct_systag": "<|im_start|>system\n",
        "instruct_systag_end": "<|im_end|>\n",
    },
}
KOBOLD_ADVENTURE = {
    "prompt": "You wake up.",
    "actions": ["\n\n> open the door\n\n", "It creaks.", "\n\n> go north"],
    "savedsettings": {"opmode": 2},
}
KOBOLD_STORY = {"prompt": "Once.", "actions": [" Upon.", " A time."], "savedsettings": {"opmode": 1}}
KOBOLD_OLD = {
    "prompt": "Once.",
    "actions": {"action_count": 1, "actions": {"0": {"Selected Text": " Upon.", "Options": []}}},
    "memory": "",
}
CAI = {
    "info": {"character": {"name": "Ada"}},
    "histories": {
        "histories": [
            {
                "msgs": [
                    {"src": {"is_human": False}, "text": "One"},
                    {"src": {"is_human": True}, "text": "Hi"},
                ]
            },
            {"msgs": [{"src": {"is_human": False}, "text": "Two"}]},
        ]
    },
}
CAI_TURNS = {
    "turns": [
        {
            "author": {"name": "Bo", "is_human": True},
            "candidates": [{"raw_content": "Hi", "candidate_id": "1"}],
        },
        {
            "author": {"name": "Ada"},
            "candidates": [
                {"raw_content": "A", "candidate_id": "2"},
                {"raw_content": "B", "candidate_id": "3"},
            ],
            "primary_candidate_id": "3",
        },
    ]
}
CAI_OFFLINE = [
    {
        "date": 1,
        "chat": [
            {"name": "Ada", "message": "Hello", "isHuman": False},
            {"name": "Bo", "message": "Hi", "isHuman": True},
        ],
    }
]
NARRATIUM = {
    "id": "c",
    "nodes": [
        {"nodeId": "root", "parentNodeId": "root"},
        {"nodeId": "b", "parentNodeId": "a", "userInput": "Hi", "assistantResponse": "Hello"},
        {
            "nodeId": "a",
            "parentNodeId": "root",
            "userInput": "",
            "assistantResponse": "Greeting",
            "parsedContent": {"nextPrompts": ["x"]},
        },
    ],
    "current_nodeId": "b",
}
OURS = {
    "format": "lunalux-conversation",
    "version": 1,
    "head": 1,
    "messages": [
        {"parent": -1, "role": "assistant", "name": "Ada", "content": "Hello", "sent_at": 1720000000000},
        {
            "parent": 0,
            "role": "user",
            "name": "Bo",
            "content": "Hi",
            "suggestions": ["x"],
            "line": {"extra": {}},
        },
    ],
}
TAVERN_LINES = [
    {
        "user_name": "Bo",
        "character_name": "Ada",
        "chat_metadata": {"note_prompt": "n", "variables": {"a": "1"}},
    },
    {
        "name": "Ada",
        "is_user": False,
        "mes": "Hello",
        "send_date": "June 1, 2023 3:04pm",
        "swipes": ["Hello", "Hey"],
        "swipe_id": "1",
        "swipe_info": [{}, {"extra": {"reasoning": "r"}}],
        "extra": {"model": "m"},
    },
    {"name": "Bo", "is_user": True, "mes": {"message": "Hi"}, "send_date": 1720000000000},
]
JANITOR = [
    {
        "key": ["bell"],
        "keysRaw": "bell",
        "content": "JLORE",
        "insertion_order": 100,
        "enabled": True,
        "name": "Bell",
        "minMessages": 3,
        "probability": 100,
        "constant": False,
        "case_sensitive": False,
        "matchWholeWords": True,
        "inclusionGroupRaw": "g",
        "groupWeight": 50,
        "activationMode": "standard",
        "activationScript": "x()",
    },
    {
        "key": [],
        "keywordsRaw": "gong, drum",
        "content": "OFF",
        "enabled": False,
        "keysecondaryRaw": "loud",
        "selectiveLogic": 0,
    },
]
NOVELAI = {
    "lorebookVersion": 5,
    "categories": [{"id": "off", "name": "c", "enabled": False}],
    "entries": [
        {
            "text": "BELL",
            "displayName": "Bell",
            "keys": ["bell & loud"],
            "enabled": True,
            "contextConfig": {"budgetPriority": 400},
        },
        {"text": "OFF", "keys": ["gong"], "enabled": True, "category": "off"},
        {"text": "OFF2", "keys": ["drum"], "enabled": False},
    ],
}
AGNAI_BOOK = {
    "kind": "memory",
    "name": "b",
    "entries": [
        {
            "name": "e",
            "entry": "BELL",
            "keywords": ["bell"],
            "priority": 0,
            "weight": 7,
            "enabled": True,
            "constant": True,
            "position": "after_char",
        },
        {"name": "o", "entry": "OFF", "keywords": ["gong"], "enabled": False},
    ],
}
RISU_BOOK = {
    "type": "risu",
    "ver": 1,
    "data": [
        {"key": "\uf000folder:1", "content": "", "mode": "folder"},
        {
            "id": "1",
            "key": "bell, gong",
            "content": "BELL",
            "mode": "normal",
            "insertorder": 5,
            "alwaysActive": False,
            "selective": False,
            "secondkey": "",
            "activationPercent": 50,
        },
        {"id": "1", "key": "drum", "content": "", "mode": "child"},
        {"key": "a{1,2}b", "content": "RE", "mode": "normal", "useRegex": True},
        {"key": "", "content": "ALWAYS", "mode": "constant"},
    ],
}
KOBOLD_BOOK = [
    {
        "key": "bell,gong",
        "keysecondary": "",
        "keyanti": "silent",
        "content": "BELL",
        "comment": "c",
        "selective": False,
        "constant": False,
        "probability": 100,
        "wigroup": "",
        "widisabled": False,
    },
    {"key": "drum", "content": "OFF", "widisabled": True},
]
NARRATIUM_BOOK = {
    "entry_0": {"keys": ["bell"], "content": "BELL", "enabled": True},
    "entry_1": {"keys": ["gong"], "content": "OFF", "enabled": False},
}
WORLD_INFO = {
    "entries": {
        "0": {
            "uid": 0,
            "key": ["bell"],
            "content": "BELL",
            "order": 10,
            "position": 4,
            "depth": 2,
            "role": 0,
            "group": "g",
            "sticky": 2,
            "characterFilter": {"names": ["Ada"]},
        },
        "1": {"uid": 1, "key": ["gong"], "content": "OFF", "enabled": False},
    },
    "name": "w",
}
RISU_REGEX = {
    "type": "regex",
    "data": [
        {"comment": "c", "in": "a.b", "out": "X", "type": "editoutput", "ableFlag": True, "flag": "g<cbs>"},
        {
            "comment": "d",
            "in": "(Q)",
            "out": "$1$$5$&",
            "type": "editdisplay",
            "ableFlag": True,
            "flag": "gi<order 5,inject>",
        },
        {"comment": "e", "in": "s", "out": "@@emo happy", "type": "editdisplay"},
        {"comment": "f", "in": "t", "out": "u", "type": "edittrans"},
    ],
}
SCRIPTS = {
    "regex_scripts": [
        {
            "id": "1",
            "scriptName": "s",
            "findRegex": "/a(?<n>b)/g",
            "replaceString": "$<n>",
            "trimStrings": ["x"],
            "placement": [1, 2],
            "disabled": False,
            "minDepth": None,
            "maxDepth": 5,
        }
    ]
}
PRESET = {
    "temperature": 0.9,
    "openai_max_context": 8000,
    "openai_max_tokens": 300,
    "names_behavior": 0,
    "wi_format": "{0}",
    "prompts": [
        {"identifier": "main", "name": "Main", "role": "system", "content": "Write as {{char}}."},
        {"identifier": "chatHistory", "name": "History", "marker": True},
        {"identifier": "dialogueExamples", "marker": True},
        {
            "identifier": "u",
            "name": "Mine",
            "role": "user",
            "content": "Rule.",
            "injection_position": 1,
            "injection_depth": 2,
        },
    ],
    "prompt_order": [
        {
            "character_id": 100001,
            "order": [
                {"identifier": "main", "enabled": True},
                {"identifier": "u", "enabled": True},
                {"identifier": "chatHistory", "enabled": True},
                {"identifier": "dialogueExamples", "enabled": True},
            ],
        }
    ],
}
MASTER = {
    "instruct": {"input_sequence": "a"},
    "context": {"story_string": "b"},
    "sysprompt": {"name": "x", "content": "c"},
    "preset": {"temp": 1},
}
GROUP = {
    "name": "Two",
    "members": ["Ada.png"],
    "chats": ["77"],
    "activation_strategy": 1,
    "generation_mode": 1,
}
SETTINGS = {
    "power_user": {"personas": {"a.png": "Bo"}, "persona_descriptions": {"a.png": {"description": "d"}}},
    "extension_settings": {"regex": []},
    "world_info_settings": {"world_info": {"globalSelect": ["w"]}},
}
LIBRARY = {
    "characters_record": [{"id": "c", "data": CARD, "imagePath": "p"}],
    "character_images": [{"key": "p", "data": ""}],
    "character_dialogues": [NARRATIUM],
    "world_book": [{"c": NARRATIUM_BOOK}],
    "regex_scripts": [{"c": {"s": {"findRegex": "a", "scriptKey": "s"}}}],
    "preset_data": [PRESET],
}

OLD_GROUP = {
    "id": "1682000000000",
    "name": "Old Trio",
    "members": ["Ada", "Eve"],
    "avatar_url": "img/five.png",
    "allow_self_responses": False,
    "activation_strategy": 0,
    "chat_metadata": {},
}
TAVERNAI_CARD = {
    "spec": "tavern_ai",
    "spec_version": "1.0",
    "user_name": "ross",
    "name": "Ada",
    "description": "d",
    "first_mes": "h",
    "chat": 1690000000000,
}
SEEDS: dict[str, Any] = {
    name.lower(): value
    for name, value in dict(globals()).items()
    if name.isupper() and isinstance(value, dict | list) and name not in ("SEEDS", "ADA")
}
"""Every document above by its name."""
