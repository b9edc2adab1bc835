"""The backend for many users: DynamoDB, S3, and Cognito or local accounts. Any number of instances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lunalux_core.backend.accounts.cognito import CognitoIdentity
from lunalux_core.backend.accounts.identity import Identity, LocalIdentity
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer, kept_secret
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.storage.aws_calls import AwsAccess
from lunalux_core.backend.storage.dynamodb import DynamoStore
from lunalux_core.backend.storage.s3 import S3Blobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms as wall_clock

SECRET = "session.secret"


def open_aws(
    settings: BackendSettings | None = None,
    *,
    access: AwsAccess | None = None,
    data_dir: Path | None = None,
    rank_on_request: bool = False,
    now_ms: Callable[[], int] = wall_clock,
) -> Services:
    """Services over AWS; nothing is called before the first request.

    Args:
        settings: read from the environment if None.
        data_dir: where a backend inside one's own program keeps the secret that signs its sessions.
        access: region, and endpoint and keys of an emulator; by default boto3's usual chain.
        rank_on_request: rank as requests come by: for a backend inside one's own program, without a timer.

    Raises:
        InvalidInput: CONFIG_INVALID, without a SESSION_SECRET that all instances share, nor `data_dir`.
    """
    settings = settings or BackendSettings.from_env()
    secrets = settings.session_secrets
    if not secrets and data_dir is not None:
        secrets = (kept_secret(data_dir / SECRET).decode(),)
    if not secrets:
        raise InvalidInput(
            "CONFIG_INVALID",
            "The environment variable SESSION_SECRET must be set, the same on every instance.",
            "Set it to a long random text, for instance the output of `openssl rand -hex 32`.",
            kind="secret",
            variable="SESSION_SECRET",
        )
    access = access or AwsAccess(settings.region)
    store = DynamoStore(access, table_specs(settings.tables, settings.indexes))
    signer = Signer(secrets)
    traces = Traces(settings.traces)
    identity: Identity
    if settings.identity == "cognito":
        identity = CognitoIdentity(settings.cognito, traces=traces)
    else:
        identity = LocalIdentity(
            store, settings.tables.user, require_confirmation=settings.require_confirmation, now_ms=now_ms
        )
    blobs = S3Blobs(access, settings.bucket, now_s=lambda: now_ms() // 1000)
    return assemble(
        settings,
        *(store, blobs, identity, signer),
        rank_on_request=rank_on_request,
        shared_limits=True,
        traces=traces,
        now_ms=now_ms,
    )
