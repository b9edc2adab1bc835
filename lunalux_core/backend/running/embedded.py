"""The backend on this computer: SQLite and files in one folder, local accounts, nothing to set up.

It serves one person from inside their program, or many through `lunalux serve --storage embedded`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lunalux_core.backend.accounts.identity import LocalIdentity
from lunalux_core.backend.market.starter_market import seed
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.services import Services, assemble
from lunalux_core.backend.running.signatures import Signer, kept_secret
from lunalux_core.backend.storage.file_blobs import FileBlobs
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.sqlite import SqliteStore
from lunalux_core.backend.storage.table import Unavailable
from lunalux_core.ids import now_ms as wall_clock

DATABASE = "backend.db"
SECRET = "session.secret"
BLOBS = "blobs"


async def open_embedded(
    data_dir: Path,
    settings: BackendSettings | None = None,
    *,
    served: bool = False,
    seeded: bool = True,
    now_ms: Callable[[], int] = wall_clock,
) -> Services:
    """Services over the files in `data_dir`, which is made if missing.

    Args:
        settings: read from the environment if None.
        served: strangers can reach it, so requests are counted; inside one's own program they are not.
        seeded: give a new backend its price list and its first cards.

    Raises:
        InvalidInput: CONFIG_INVALID. StorageError: the folder cannot be used.
    """
    settings = settings or BackendSettings.from_env()
    settings = replace(settings, data_dir=data_dir, rate_limits=settings.rate_limits and served)
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        secrets = settings.session_secrets or (kept_secret(data_dir / SECRET).decode(),)
    except OSError as error:
        raise Unavailable(f"The backend's folder cannot be used: {error.strerror}.") from error
    signer = Signer(secrets)
    store = SqliteStore(data_dir / DATABASE, table_specs(settings.tables, settings.indexes))
    blobs = FileBlobs(
        data_dir / BLOBS, signer, public_url=settings.public_url, now_s=lambda: now_ms() // 1000
    )
    identity = LocalIdentity(
        store, settings.tables.user, require_confirmation=settings.require_confirmation, now_ms=now_ms
    )
    services = assemble(settings, store, blobs, identity, signer, rank_on_request=True, now_ms=now_ms)
    if seeded:
        try:
            await seed(services)
        # Also where the task is cancelled: nobody else would close what is open.
        except BaseException:
            await services.aclose()
            raise
    return services
