"""Every reader of what the program keeps, on files and rows that went wrong in any way.

Each input is a good one with a few random changes. The numbers that they are drawn with are kept, so that a
failure comes back by its seed and its number.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.account import AccountState, restored_state
from lunalux_core.account.session import session_in
from lunalux_core.config.config_file import reset_value, set_value, template
from lunalux_core.config.credentials import Credentials
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import DECLARATIONS, load_settings
from lunalux_core.errors import LunaluxError
from lunalux_core.library import Library, backup
from lunalux_core.library.cells import value_in
from lunalux_core.library.market_cache import _grams, _rows
from lunalux_core.library.restore_steps import _read
from lunalux_core.prices import price_of, read_price

pytestmark = pytest.mark.slow
SEED = 20261129
MANY = 100_000

ODDITIES: tuple[bytes, ...] = (
    *(b"inf", b"-inf", b"nan", b"1e400", b"-1", b"0", b"1.5", b"true", b"null", b"None", b"[]", b"{}", b'""'),
    *(
        b"9" * 400,
        b"0x" + b"f" * 4000,
        b"[" * 3000,
        b"{" * 50,
        b'"' * 3,
        b"'''",
        b"\\u0000",
        b"\\ud800",
        b"\x00",
    ),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b"=",
        b".",
        b",",
        b":",
        b"#",
        b"[chat]",
        b"[[keys]]",
        b"[models.x]",
    ),
    *(
        "é".encode(),
        "夜".encode(),
        "\u202e".encode(),
        b"\x1b]0;x\x07",
        b"../..",
        b"PK\x03\x04",
        b" " * 200,
    ),
)


def mangled(good: bytes, draw: random.Random) -> bytes:
    """`good` with one to four changes."""
    data = bytearray(good)
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(data))
        end = min(len(data), at + draw.choice((1, 2, 8, 40, 400)))
        match draw.randrange(6):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = draw.choice(ODDITIES)
            case 2:
                data[at:end] = draw.choice(ODDITIES)
            case 3:
                data[at:at] = data[draw.randint(0, len(data)) :][: draw.choice((1, 20, 300))]
            case 4 if data:
                data[at - 1] = draw.randrange(256)
            case _:
                del data[at:]
    return bytes(data)


def inputs(*good: bytes, many: int = MANY, seed: int = SEED) -> Iterator[bytes]:
    draw = random.Random(seed)
    for _ in range(many):
        yield mangled(draw.choice(good), draw)


def tried(what: str, data: Any, work: Callable[[], object]) -> None:
    """Only errors of ours may come out."""
    try:
        work()
    except LunaluxError as error:
        error.message.encode()
    except Exception as error:
        pytest.fail(f"{what}: {type(error).__name__}: {error} from {data!r:.3000}")


CONFIGS = (
    template().replace("# ", "").encode(),
    template().encode(),
    b'language = "zh"\n[chat]\nreply_words = 300\ntemperature = 0.7\nmodel = "local"\n[ui]\nbell = true\n'
    b'[models.local]\nprovider = "openai"\nmodel = "llama"\nbase_url = "http://127.0.0.1:1/v1"\n'
    b"context_tokens = 4096\n[models.local.sampling]\ntop_k = 40\ntemperature = 0.5\n"
    b'[keys]\n"chat.send" = "ctrl+s"\n[keys.market]\nlike = ["l", "f9"]\n[plugins]\nenabled = ["a", "b"]\n',
    b"chat.reply_words = 5\n'ui.theme' = 'x'\nworldbook = {depth = 3, budget = 50}\n",
)


def test_configurations(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    file = paths.config_file
    for number, data in enumerate(inputs(*CONFIGS)):
        file.write_bytes(data)

        def read() -> None:
            settings = load_settings(paths, {})
            for known in DECLARATIONS.values():
                value = getattr(settings, known.attribute)
                assert type(value) is type(known.default), known.key
            for problem in settings.problems:
                problem.message.encode()

        tried(f"settings {number}", data, read)
        if number % 50 == 0:
            stored: list[object] = []
            tried(f"set {number}", data, lambda: stored.append(set_value(file, "chat.reply_words", 77)))  # noqa: B023
            if stored and load_settings(paths, {}).reply_words != 77:
                pytest.fail(f"set {number} is not in force: {data!r:.2000}")
            if not stored and file.read_bytes() != data:
                pytest.fail(f"set {number} was refused and changed the file: {data!r:.2000}")
            tried(f"reset {number}", data, lambda: reset_value(file, "ui.bell"))


def test_secrets(paths: Paths) -> None:
    good = json.dumps({"model:x": "sk-1", "session:embedded": '{"userId": "u", "token": "t"}', "gone": None})
    paths.data.mkdir(parents=True)
    for number, data in enumerate(inputs(good.encode())):
        paths.credentials.write_bytes(data)
        store = Credentials(paths.credentials, use_keyring=False)

        def use(store: Credentials = store) -> None:
            store.get("model:x")
            if session_in(store.get("session:embedded")) is not None:
                assert not session_in(store.get("session:embedded")).headers()["x-user-id"].count("\n")  # type: ignore[union-attr]

        tried(f"secrets {number}", data, use)
        if number % 100 == 0:
            tried(f"set {number}", data, lambda store=store: store.set("new", "x"))  # type: ignore[misc]
            assert store.get("new") == "x"
        for aside in paths.data.glob("credentials-damaged-*"):
            assert aside.read_bytes() == data
            aside.unlink()


ROW = {
    "modelId": "002",
    "displayname": "Lamp",
    "freeLevel": -1,
    "allowStar": True,
    "starCost": 5,
    "allowLuna": False,
    "lunaCost": -1,
}
SNAPSHOT = {
    "status": "signed_in",
    "user_id": "u",
    "email": "a@b.c",
    "username": None,
    "wallet": {"userId": "u", "luxLevel": 0, "starCoin": 100, "lunaCoin": 3},
    "ledger": {
        "totalStarCoinUsed": 1,
        "totalStarCoinGain": 2,
        "totalLunaCoinUsed": 0,
        "totalLunaCoinGain": 3,
    },
    "invite": {
        "inviteCode": "K7",
        "totalInvites": 0,
        "unissuedRewardCount": 0,
        "threshold": 0,
        "milestoneRewardStar": 0,
    },
    "models": [ROW, {**ROW, "modelId": "003"}],
    "liked": ["a", "b"],
    "fetched_at": 1_700_000_000_000,
    "offline": False,
    "local": True,
    "stays_out": False,
    "models_version": "abc",
    "agreed": {"002": {"free": False, "star": 5, "luna": None}},
}


def test_snapshots_of_the_account_and_prices() -> None:
    for number, data in enumerate(inputs(json.dumps(SNAPSHOT).encode())):
        kept = (
            value_in(data.decode("utf-8", "surrogatepass" if number % 2 else "replace"))
            if _text(data)
            else None
        )

        def read(kept: Any = kept) -> None:
            state = restored_state(kept)
            assert isinstance(state, AccountState) and isinstance(
                state.star + state.luna + state.lux_level, int
            )
            for row in state.models:
                str(price_of(row, state.lux_level)) + str(row["displayname"])
                read_price(state.agreed.get(row["modelId"]))
            if state.wallet:
                assert state.ledger.get("totalStarCoinGain", 0) >= -(10**4000)

        tried(f"snapshot {number}", data, read)


def _text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


CARDS = [
    {"id": "a", "name": "Mirelle", "intro": "A clockmaker", "tags": ["mystery", "Original"], "likedCount": 3},
    {
        "id": "b",
        "name": "苏晚灯",
        "thumbnailUrl": "/blobs/x",
        "creator": None,
        "totalCoinUsed": 7,
        "tags": [],
    },
]


def test_rows_of_the_market() -> None:
    for number, data in enumerate(inputs(json.dumps(CARDS).encode())):
        try:
            items = json.loads(data)
        except (ValueError, RecursionError):
            continue

        def read(items: Any = items) -> None:
            for row in _rows(items if isinstance(items, list) else [items]):
                assert row["id"] and isinstance(_grams(row), str)
                "".join(str(value) for value in row.values()).encode()

        tried(f"rows {number}", data, read)


async def test_rows_of_the_library(paths: Paths) -> None:
    """Whatever a row of state or cache holds, the others are read, and it can be written anew."""
    library = Library(paths)
    try:
        await library.state.set("good", [1])
        for number, data in enumerate(inputs(b'{"a": [1, 2], "b": "x"}', many=5000)):
            await library.database.write(
                lambda c, data=data: c.execute(  # type: ignore[misc]
                    "INSERT OR REPLACE INTO state (key, value) VALUES ('odd', ?)",
                    (data if number % 2 else data.decode("utf-8", "replace"),),  # noqa: B023
                )
            )
            await library.state.get("odd", "default")
            assert await library.state.get("good") == [1]
        await library.state.update("odd", lambda kept: ["new"])
        assert await library.state.get("odd") == ["new"]
    finally:
        library.close()
    for number, data in enumerate(inputs(b'{"a": [1, 2], "b": "x"}')):
        tried(f"value {number}", data, lambda data=data: value_in(data))  # type: ignore[misc]


def test_plans_of_a_restore(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    good = b'{"fresh": "restore-abc", "old": "replaced-1"}'
    for number, data in enumerate(inputs(good)):
        paths.restore_plan.write_bytes(data)

        def read() -> None:
            plan = _read(paths)
            assert plan is None or (plan.fresh.parent == paths.data and plan.old.parent == paths.backups)

        tried(f"plan {number}", data, read)


def test_archives(paths: Paths, tmp_path: Path) -> None:
    """A whole archive first, then what is left of it; a restore only where the checks let it through."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": backup.FORMAT, "version": 1}))
        archive.writestr("library.db", b"SQLite format 3\x00" + b"x" * 200, zipfile.ZIP_DEFLATED)
        archive.writestr("pictures/a.png", b"p" * 30)
        archive.writestr("config.toml", b'language = "zh"')
    file = tmp_path / "b.zip"
    for number, data in enumerate(inputs(made.getvalue())):
        file.write_bytes(data)

        def look() -> None:
            with backup._opened(file) as archive:
                for name in backup._checked(archive, file):
                    assert name in {"library.db", "config.toml"} or name.startswith("pictures/")

        tried(f"archive {number}", data, look)
        if number % 50 == 0:
            tried(f"restore {number}", data, lambda: backup.restore(paths, file))
            assert not paths.library.exists() and not list(paths.data.glob("restore*"))


def test_manifests(tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    good = json.dumps({"format": backup.FORMAT, "version": 1, "program": "0.1", "created_at": 1}).encode()
    for number, data in enumerate(inputs(good)):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("manifest.json", data)
            archive.writestr("library.db", b"")

        def look() -> None:
            with backup._opened(file) as archive:
                backup._checked(archive, file)

        tried(f"manifest {number}", data, look)
