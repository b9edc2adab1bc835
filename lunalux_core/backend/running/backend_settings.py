"""The server's settings, read once from the documented environment variables.

A value that cannot be used is told in one sentence that names the variable. Secrets are kept out of
`repr`, so that a printed settings object shows none.

See docs/spec/backend.md: Environment, Tables, Money rules.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from lunalux_core.backend.running.environ import (
    Environ,
    Reader,
    duration_ms,
    duration_s,
    duration_with_unit_s,
    exact,
    invalid,
    listed,
    rounded,
    web_origin,
    whole,
)

DAY_SECONDS = 86_400
SIGV4_MAX_SECONDS = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class TableNames:
    """Names of the nine tables."""

    user: str = "user_table"
    wallet: str = "user_wallet_table"
    model_config: str = "model_config_table"
    coupons: str = "coupons_table"
    ledger: str = "ledger_summary_table"
    invite: str = "invite_profile_table"
    liked: str = "liked_table"
    character_en: str = "character_table_EN"
    character_cn: str = "character_table_CN"


@dataclass(frozen=True, slots=True)
class IndexNames:
    """Names of the four character indexes."""

    dirty_hot: str = "GSI_DIRTY_HOT"
    hot: str = "GSI_HOT"
    dirty_time: str = "GSI_DIRTY_TIME"
    time: str = "GSI_TIME"


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """Limits and weights of the two market orders. Windows in milliseconds, heat in whole points."""

    hot_top_limit: int = 100
    hot_top_buffer: int = 150
    time_top_limit: int = 100
    time_top_buffer: int = 150
    hot_page_limit: int = 100
    time_page_limit: int = 100
    max_heat: int = 999_999_999_999
    luna_multiplier: Decimal = Decimal(2)
    dialogue_heat: tuple[int, int, int] = (0, 0, 0)
    like_heat: int = 0
    download_heat: int = 0
    batch_limit: int = 1000
    batch_window_ms_en: int = 5000
    batch_window_ms_cn: int = 5000
    time_batch_window_ms_en: int = 5000
    time_batch_window_ms_cn: int = 5000
    range_heat_window_s: int | None = None
    range_heat_interval_s: int | None = None
    shards: int = 1


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The server's own model keys and addresses; neither ever comes from a request."""

    openai_key: str = field(default="", repr=False)
    openai_base_url: str = "https://api.openai.com/v1"
    gemini_key: str = field(default="", repr=False)
    gemini_base_url: str = "https://generativelanguage.googleapis.com/v1beta"
    timeout_s: int = 120
    analyze_token: bool = False


@dataclass(frozen=True, slots=True)
class CognitoSettings:
    region: str = "us-east-1"
    pool_id: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Everything an operator can choose. Times in the unit their name ends in."""

    tables: TableNames = TableNames()
    indexes: IndexNames = IndexNames()
    ranking: RankingSettings = RankingSettings()
    providers: ProviderSettings = ProviderSettings()
    cognito: CognitoSettings = CognitoSettings()
    identity: Literal["local", "cognito"] = "local"
    region: str = "us-east-1"
    bucket: str = "character-cards"
    original_prefix: str = "characters/original/"
    thumbnail_prefix: str = "characters/thumbs/"
    liked_ttl_s: int | None = None
    market_refresh_ms: int = 600_000
    invited_reward_star: int = 0
    invite_threshold: int = 0
    invite_milestone_star: int = 0
    invites_per_day: int = 50
    tags_en: tuple[str, ...] = ()
    tags_cn: tuple[str, ...] = ()
    session_secrets: tuple[str, ...] = field(default=(), repr=False)
    session_ttl_s: int = 30 * DAY_SECONDS
    session_cache_s: int = 5
    data_dir: Path | None = None
    require_confirmation: bool = False
    rate_limits: bool = True
    cors_origins: tuple[str, ...] = ()
    request_timeout_s: float = 30
    shutdown_grace_s: int = 30
    max_upload_bytes: int = 8 * 1024 * 1024
    max_body_bytes: int = 1024 * 1024
    max_prompt_bytes: int = 4 * 1024 * 1024
    public_url: str = ""
    header_timeout_s: float = 15
    max_connections: int = 2000
    max_connections_per_address: int = 200
    trusted_proxies: str = "127.0.0.1,::1"
    metrics: bool = False
    metrics_token: str = field(default="", repr=False)
    traces: bool = False
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environ: Environ = os.environ) -> BackendSettings:
        """Read every documented variable.

        Raises:
            InvalidInput: code CONFIG_INVALID, naming the variable that cannot be used.
        """
        env = Reader(environ)
        pool, client = env.text("COGNITO_USER_POOL_ID", ""), env.text("COGNITO_CLIENT_ID", "")
        if bool(pool) != bool(client):
            missing = "COGNITO_CLIENT_ID" if pool else "COGNITO_USER_POOL_ID"
            raise invalid(missing, "", "set together with its twin, or not at all")
        region = env.text("CLOUD_REGION", "us-east-1")
        return cls(
            tables=_tables(env),
            indexes=IndexNames(
                *(env.text(n, n) for n in ("GSI_DIRTY_HOT", "GSI_HOT", "GSI_DIRTY_TIME", "GSI_TIME"))
            ),
            ranking=_ranking(env),
            providers=_providers(env),
            cognito=CognitoSettings(env.text("COGNITO_REGION", region), pool, client),
            identity="cognito" if pool else "local",
            region=region,
            bucket=env.text("CHARACTER_S3_BUCKET", "character-cards"),
            original_prefix=env.prefix("CHARACTER_S3_ORIGINAL_PREFIX", "characters/original/"),
            thumbnail_prefix=env.prefix("CHARACTER_S3_THUMBNAIL_PREFIX", "characters/thumbs/"),
            liked_ttl_s=env.optional("LIKED_TTL_SECONDS", lambda text: whole(text, 1)),
            market_refresh_ms=env.read(
                "CHARACTER_MARKET_REFRESH_INTERVAL", 600_000, lambda t: duration_ms(t, bare_ms=1)
            ),
            invited_reward_star=env.count("INVITED_USER_REWARD_STAR", 0),
            invite_threshold=env.count("INVITE_REWARD_THRESHOLD", 0),
            invite_milestone_star=env.count("INVITE_MILESTONE_REWARD_STAR", 0),
            invites_per_day=env.count("INVITES_PER_DAY", 50, lowest=1, highest=1_000_000),
            tags_en=env.list("NEXT_PUBLIC_TAG_EN"),
            tags_cn=env.list("NEXT_PUBLIC_TAG_CN"),
            session_secrets=_secrets(env),
            session_ttl_s=env.read("SESSION_TTL", 30 * DAY_SECONDS, duration_s),
            session_cache_s=env.count("SESSION_CACHE_SECONDS", 5, highest=5),
            data_dir=env.optional("LUNALUX_DATA_DIR", lambda text: Path(text).expanduser().absolute()),
            require_confirmation=env.flag("LUNALUX_REQUIRE_CONFIRMATION", False),
            rate_limits=env.flag("LUNALUX_RATE_LIMITS", True),
            cors_origins=env.read("CORS_ORIGINS", (), lambda text: tuple(map(web_origin, listed(text)))),
            request_timeout_s=env.count("REQUEST_TIMEOUT_SECONDS", 30, lowest=1),
            shutdown_grace_s=env.count("SHUTDOWN_GRACE_SECONDS", 30, lowest=1, highest=3600),
            public_url=env.read("LUNALUX_PUBLIC_URL", "", _url),
            header_timeout_s=env.count("HEADER_TIMEOUT_SECONDS", 15, lowest=1, highest=600),
            max_connections=env.count("MAX_CONNECTIONS", 2000, lowest=8, highest=1_000_000),
            max_connections_per_address=env.count(
                "MAX_CONNECTIONS_PER_ADDRESS", 200, lowest=1, highest=1_000_000
            ),
            trusted_proxies=env.text("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"),
            metrics=env.flag("LUNALUX_METRICS", False),
            metrics_token=env.text("LUNALUX_METRICS_TOKEN", ""),
            traces=env.flag("LUNALUX_TRACES", False),
            log_level=env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        )


def _tables(env: Reader) -> TableNames:
    def lower(name: str) -> str:
        return env.text(name, name.removesuffix("_NAME").lower())

    return TableNames(
        user=lower("USER_TABLE_NAME"),
        wallet=lower("USER_WALLET_TABLE_NAME"),
        model_config=lower("MODEL_CONFIG_TABLE_NAME"),
        coupons=lower("COUPONS_TABLE_NAME"),
        ledger=lower("LEDGER_SUMMARY_TABLE_NAME"),
        invite=lower("INVITE_PROFILE_TABLE_NAME"),
        liked=lower("LIKED_TABLE_NAME"),
        character_en=env.text("CHARACTER_TABLE_NAME_EN", "character_table_EN"),
        character_cn=env.text("CHARACTER_TABLE_NAME_CN", "character_table_CN"),
    )


def _ranking(env: Reader) -> RankingSettings:
    heat = tuple(env.read(f"LUX{level}_DIALOGUE_HEAT_ADD", 0, rounded) for level in range(3))
    window_s = env.optional("CHARACTER_RANGE_HEAT_WINDOW", duration_with_unit_s)
    return RankingSettings(
        hot_top_limit=env.count("HOT_TOP_LIMIT", 100, lowest=1, highest=1000),
        hot_top_buffer=env.count("HOT_TOP_BUFFER", 150, lowest=1, highest=10_000),
        time_top_limit=env.count("TIME_TOP_LIMIT", 100, lowest=1, highest=1000),
        time_top_buffer=env.count("TIME_TOP_BUFFER", 150, lowest=1, highest=10_000),
        hot_page_limit=env.count("GSI_HOT_PAGE_LIMIT", 100, lowest=1, highest=1000),
        time_page_limit=env.count("GSI_TIME_PAGE_LIMIT", 100, lowest=1, highest=1000),
        max_heat=env.count("MAX_HEAT", 999_999_999_999, lowest=1, highest=999_999_999_999),
        luna_multiplier=env.read("LUNACOIN_HOT_INC_MULTIPLIER", Decimal(2), exact),
        dialogue_heat=(heat[0], heat[1], heat[2]),
        like_heat=env.read("CHARACTER_LIKE_HEAT_ADD", 0, rounded),
        download_heat=env.read("CHARACTER_DOWNLOAD_HEAT_ADD", 0, rounded),
        batch_limit=env.count("BATCH_LIMIT", 1000, lowest=1, highest=100_000),
        batch_window_ms_en=env.count("BATCH_WINDOW_MS_EN", 5000),
        batch_window_ms_cn=env.count("BATCH_WINDOW_MS_CN", 5000),
        time_batch_window_ms_en=env.count("TIME_BATCH_WINDOW_MS_EN", 5000),
        time_batch_window_ms_cn=env.count("TIME_BATCH_WINDOW_MS_CN", 5000),
        range_heat_window_s=window_s,
        range_heat_interval_s=env.read(
            "CHARACTER_RANGE_HEAT_UPDATE_INTERVAL",
            None if window_s is None else max(1, window_s // 10),
            duration_with_unit_s,
        ),
        shards=env.count("RANKING_SHARDS", 1, lowest=1, highest=64),
    )


def _providers(env: Reader) -> ProviderSettings:
    plain = ProviderSettings()
    return ProviderSettings(
        openai_key=env.text("OPENAI_API_KEY", ""),
        openai_base_url=env.read("OPENAI_BASE_URL", plain.openai_base_url, _url),
        gemini_key=env.text("GEMINI_API_KEY", ""),
        gemini_base_url=env.read("GEMINI_BASE_URL", plain.gemini_base_url, _url),
        timeout_s=env.count("LLM_TIMEOUT_SECONDS", plain.timeout_s, lowest=1, highest=3600),
        analyze_token=env.flag("analyze_token", False),
    )


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("an address that begins with http:// or https://")
    return text.rstrip("/")


def _secrets(env: Reader) -> tuple[str, ...]:
    """Newest first: the first signs, all are accepted, so a secret can be rotated without signing out."""
    single = env.raw("SESSION_SECRET")
    secrets = [*env.list("SESSION_SECRETS"), *([single] if single else [])]
    if any(len(secret) < 16 for secret in secrets):
        name = "SESSION_SECRETS" if env.raw("SESSION_SECRETS") else "SESSION_SECRET"
        raise invalid(name, "(hidden)", "at least 16 characters long")
    return tuple(dict.fromkeys(secrets))
