"""docs/operations.md and the Containerfile say what the program does: variables, permissions, commands."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.storage.schema import table_specs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
STORAGE = ROOT / "lunalux_core" / "backend" / "storage"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


# -- variables -----------------------------------------------------------------------------------------


class Noted(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def read_by_the_server() -> set[str]:
    environ = Noted()
    BackendSettings.from_env(environ)
    return {name for name in environ.names if not name.startswith("NEXT_PUBLIC_") or "_TAG_" in name}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def documented() -> dict[str, str]:
    """Variable → default, as the table of the page says."""
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)?[^|]*\| [^|]+\|$", section("Variables"), re.MULTILINE)
    return dict(rows)


def test_every_variable_of_the_server_is_documented_and_no_other() -> None:
    assert set(documented()) == read_by_the_server()


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_documented_default_is_the_default(name: str) -> None:
    assert BackendSettings.from_env({name: documented()[name]}) == BackendSettings.from_env({})


def test_other_variables_that_the_page_names_exist() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "lunalux_core").rglob("*.py"))
    source += (ROOT / "lunalux_tui" / "cli" / "serve.py").read_text("utf-8")
    foreign = {"NEXT_PUBLIC_", "AWS_ENDPOINT_URL_DYNAMODB", "FORWARDED_ALLOW_IPS"}
    foreign |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}
    for name in set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", PAGE)) - set(documented()) - foreign:
        assert name in source, name


# -- permissions ---------------------------------------------------------------------------------------


def literals(name: str) -> set[str]:
    """Every string constant of a storage module."""
    tree = ast.parse((STORAGE / name).read_text("utf-8"))
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {value for value in found | attributes if isinstance(value, str)}


def called(service: str, *modules: str) -> set[str]:
    """The operations of an AWS service that these modules can call."""
    loaders = pytest.importorskip("botocore.loaders")
    xform_name = pytest.importorskip("botocore").xform_name
    model = loaders.Loader().load_service_model(service, "service-2")
    known = {xform_name(operation): operation for operation in model["operations"]}
    return {known[name] for module in modules for name in literals(module) if name in known}


DYNAMODB_ACTIONS: dict[str, set[str]] = {
    "TransactWriteItems": {"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"},
}
S3_ACTIONS = {
    "HeadObject": {"GetObject", "ListBucket"},  # without ListBucket a missing object is 403, not 404
    "GetObject": {"GetObject"},
    "PutObject": {"PutObject"},
    "DeleteObject": {"DeleteObject"},
    "HeadBucket": {"ListBucket"},
    "CreateBucket": {"CreateBucket"},
    "GetPublicAccessBlock": {"GetBucketPublicAccessBlock"},
    "PutPublicAccessBlock": {"PutBucketPublicAccessBlock"},
    "GetBucketEncryption": {"GetEncryptionConfiguration"},
    "PutBucketEncryption": {"PutEncryptionConfiguration"},
    "GetBucketCors": {"GetBucketCORS"},
    "PutBucketCors": {"PutBucketCORS"},
    "GetBucketLifecycleConfiguration": {"GetLifecycleConfiguration"},
    "PutBucketLifecycleConfiguration": {"PutLifecycleConfiguration"},
}


def policies() -> dict[str, list[dict[str, Any]]]:
    """The statements of the page's policies: the server's, and that of `provision`."""
    blocks = re.findall(r"```json\n(\{.*?\n\})\n```", section("Permissions"), re.DOTALL)
    server, provision = (json.loads(block)["Statement"] for block in blocks)
    return {"server": server, "provision": provision}


def granted(name: str, service: str) -> set[str]:
    actions = {action for statement in policies()[name] for action in statement["Action"]}
    return {action.partition(":")[2] for action in actions if action.startswith(f"{service}:")}


def test_the_server_may_do_what_its_adapters_call_and_nothing_else() -> None:
    dynamodb, s3 = called("dynamodb", "dynamodb.py"), called("s3", "s3.py")
    wanted = set().union(*(DYNAMODB_ACTIONS.get(one, {one}) for one in dynamodb))
    assert granted("server", "dynamodb") == wanted
    assert granted("server", "s3") == set().union(*(S3_ACTIONS[one] for one in s3))


def test_provision_may_do_what_it_calls_and_nothing_else() -> None:
    assert granted("provision", "dynamodb") == called("dynamodb", "provision.py")
    wanted = set().union(*(S3_ACTIONS[one] for one in called("s3", "provision.py")))
    assert granted("provision", "s3") == wanted


def test_what_the_server_asks_of_a_user_pool_as_operator_is_named() -> None:
    operations = {one for one in called("cognito-idp", "../accounts/cognito.py") if one.startswith("Admin")}
    assert operations <= set(re.findall(r"`cognito-idp:(\w+)`", section("Permissions")))


def test_permissions_name_every_table_and_index_and_no_star() -> None:
    resources = {
        resource
        for statements in policies().values()
        for statement in statements
        for resource in statement["Resource"]
    }
    tables = {spec.name for spec in table_specs()}
    named = {re.sub(r".*:table/", "", resource) for resource in resources if ":table/" in resource}
    indexed = {spec.name for spec in table_specs() if spec.indexes}
    assert named == tables | {f"{name}/index/*" for name in indexed}
    assert not any(resource == "*" for resource in resources)
    wildcards = [a for s in policies().values() for one in s for a in one["Action"] if "*" in a]
    assert not wildcards


# -- container -----------------------------------------------------------------------------------------


def container() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each with its arguments."""
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in container() if name == instruction]


def test_the_image_copies_what_the_build_needs() -> None:
    copied = {
        part for argument in arguments("COPY") if "--from" not in argument for part in argument.split()[:-1]
    }
    assert all((ROOT / name).exists() for name in copied)
    project, wheel = PROJECT["project"], PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["readme"], *project["license-files"], *wheel["packages"]}
    assert needed | set(wheel["force-include"]) <= copied


def test_the_image_installs_extras_that_exist_on_a_python_that_is_supported() -> None:
    extras = {
        extra
        for run in arguments("RUN")
        for found in re.findall(r"'\.\[(.+?)\]'", run)
        for extra in found.split(",")
    }
    assert extras and extras <= set(PROJECT["project"]["optional-dependencies"])
    lowest = tuple(map(int, PROJECT["project"]["requires-python"].removeprefix(">=").split(".")))
    for image in arguments("FROM"):
        version = re.fullmatch(r"python:(\d+)\.(\d+)-slim(?: AS \w+)?", image)
        assert version is not None and (int(version[1]), int(version[2])) >= lowest


def test_the_image_runs_a_command_that_exists_as_nobody_special() -> None:
    (entry,), (command,), (user,) = arguments("ENTRYPOINT"), arguments("CMD"), arguments("USER")
    assert json.loads(entry)[0] in PROJECT["project"]["scripts"]
    assert user.isdecimal() and int(user) > 0 and f"--uid {user} " in "".join(arguments("RUN"))
    words = json.loads(command)
    shown = subprocess.run(
        [sys.executable, "-m", "lunalux_tui", words[0], "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    assert all(word in shown for word in words if word.startswith("--"))
    assert arguments("EXPOSE") == [words[words.index("--port") + 1]]


def test_the_image_sets_variables_that_the_server_reads() -> None:
    names = {word.partition("=")[0] for argument in arguments("ENV") for word in shlex.split(argument)}
    assert names - {"PATH", "LUNALUX_HOME"} <= read_by_the_server()
    given = dict(word.split("=", 1) for argument in arguments("ENV") for word in shlex.split(argument))
    BackendSettings.from_env(given)
    assert given["LUNALUX_DATA_DIR"].startswith(arguments("VOLUME")[0])


def test_the_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    served_backend = pytest.importorskip("served_backend", reason="beside this file")
    check = re.search(r'CMD (\["python".*\])$', arguments("HEALTHCHECK")[0])
    assert check is not None
    words = json.loads(check[1])
    port = arguments("EXPOSE")[0]

    def healthy(at: int) -> bool:
        code = words[2].replace(f":{port}/", f":{at}/")
        assert code != words[2]
        return subprocess.run([sys.executable, *words[1:2], code], capture_output=True).returncode == 0

    server = served_backend.serve(tmp_path)
    running = next(server)
    assert any(healthy(running.port) for _ in range(10))  # it listens before it answers
    server.close()
    assert not healthy(running.port)
