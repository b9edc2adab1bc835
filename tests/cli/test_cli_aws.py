"""The backend in the program over DynamoDB and S3 (LUNALUX_STORAGE=aws), against an emulator on loopback."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

pytestmark = pytest.mark.slow
MakeCard = Callable[..., Path]


def engines() -> Any:
    path = Path(__file__).resolve().parents[1] / "backend" / "storage_engines.py"
    spec = importlib.util.spec_from_file_location("storage_engines", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def aws_account(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of an AWS account of one's own."""
    pytest.importorskip("ministack")
    folder.mkdir()
    with engines().ministack(folder) as access:
        yield {
            "LUNALUX_STORAGE": "aws",
            "AWS_ENDPOINT_URL": access.endpoint,
            "AWS_ACCESS_KEY_ID": access.access_key,
            "AWS_SECRET_ACCESS_KEY": access.secret_key,
        }


@pytest.fixture
def aws(tmp_path: Path, program: Program) -> Iterator[Program]:
    """The program with that account."""
    with aws_account(tmp_path / "aws") as variables:
        yield lambda *arguments, **options: program(*arguments, **variables, **options)


def test_the_whole_way_over_ones_own_aws_account(aws: Program, make_card: MakeCard) -> None:
    missing = aws("wallet", "show", "--json", code=1)
    assert len(missing.err.splitlines()) == 1
    assert aws("admin", "provision", "--dry-run", "--json").json["changes"]
    assert aws("admin", "provision", "--json").json["changes"]
    assert aws("admin", "provision", "--json").json["changes"] == []
    assert aws("wallet", "show", "--json").json["starCoin"] == 100
    price = ("--name", "Muse", "--type", "practice", "--model", "practice", "--star-cost", "7")
    aws("admin", "model", "put", "001", *price)
    options = ("--lang", "en", "--intro", "She keeps the light.")
    identity = aws("market", "publish", str(make_card("Ada")), *options).out.strip()
    listed = aws("market", "list", "--sort", "new", "--refresh", "--json").json
    assert [row["id"] for row in listed] == [identity]
    local = aws("market", "download", identity).out.strip()
    aws("market", "like", identity)
    reply = aws("chat", local, "-m", "Hello", "--official", "001", "--json").json
    assert reply["billing"] == {"method": "star", "cost": 7, "modelId": "001"}
    assert aws("wallet", "show", "--json").json["starCoin"] == 93
    assert aws("admin", "reconcile", "--json").json["ok"] is True
    aws("admin", "market", "remove", identity, "--yes")
    assert aws("market", "download", identity, "--json", code=None).code in {0, 5}
