"""The documented environment variables, and how a wrong one is told."""

import pytest

from lunalux_core.backend.repos.heat import dialogue
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.environ import duration_ms
from lunalux_core.errors import InvalidInput


def test_the_documented_defaults() -> None:
    settings = BackendSettings.from_env({})
    assert settings.tables.user == "user_table"
    assert settings.tables.wallet == "user_wallet_table"
    assert settings.tables.coupons == "coupons_table"
    assert (settings.tables.character_en, settings.tables.character_cn) == (
        "character_table_EN",
        "character_table_CN",
    )
    assert settings.market_refresh_ms == 600_000
    assert settings.liked_ttl_s is None
    assert settings.ranking.max_heat == 999_999_999_999
    assert settings.ranking.range_heat_window_s is None
    assert settings.providers.analyze_token is False


def test_table_names_fall_back_to_their_public_twin_only_where_documented() -> None:
    settings = BackendSettings.from_env(
        {
            "NEXT_PUBLIC_USER_TABLE_NAME": "people",
            "NEXT_PUBLIC_COUPONS_TABLE_NAME": "not_read",
            "NEXT_PUBLIC_USER_WALLET_TABLE_NAME": "public_wallets",
            "USER_WALLET_TABLE_NAME": "wallets",
        }
    )
    assert settings.tables.user == "people"
    assert settings.tables.coupons == "coupons_table"
    assert settings.tables.wallet == "wallets"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1500", 1500),
        ("90s", 90_000),
        ("15m", 900_000),
        ("2h", 7_200_000),
        ("7d", 604_800_000),
        ("1mo", 2_592_000_000),
    ],
)
def test_the_refresh_interval_is_milliseconds_or_has_a_unit(text: str, ms: int) -> None:
    assert BackendSettings.from_env({"CHARACTER_MARKET_REFRESH_INTERVAL": text}).market_refresh_ms == ms


def test_range_heat_needs_a_unit() -> None:
    settings = BackendSettings.from_env({"CHARACTER_RANGE_HEAT_WINDOW": "7d"})
    assert settings.ranking.range_heat_window_s == 7 * 86_400
    with pytest.raises(ValueError):
        duration_ms("7")


def test_range_heat_is_summed_up_ten_times_a_window_unless_told() -> None:
    settings = BackendSettings.from_env({"CHARACTER_RANGE_HEAT_WINDOW": "1m"})
    assert settings.ranking.range_heat_interval_s == 6


def test_a_weight_that_is_multiplied_keeps_its_fraction() -> None:
    """What is rounded is what is added: seven coins at one half are four points, not none."""
    for text, points in (("0.5", 4), ("1.5", 11), ("2.5", 18), ("2", 14), ("0", 0)):
        ranking = BackendSettings.from_env({"LUNACOIN_HOT_INC_MULTIPLIER": text}).ranking
        assert dialogue(ranking, 0, 7).heat == points
    assert BackendSettings.from_env({"CHARACTER_LIKE_HEAT_ADD": "0.5"}).ranking.like_heat == 1


def test_prefixes_end_in_one_slash_and_weights_are_rounded() -> None:
    settings = BackendSettings.from_env(
        {
            "CHARACTER_S3_ORIGINAL_PREFIX": "/a/b//",
            "CHARACTER_LIKE_HEAT_ADD": "2.6",
            "NEXT_PUBLIC_TAG_CN": "冒险，日常、恋爱",
        }
    )
    assert settings.original_prefix == "a/b/"
    assert settings.ranking.like_heat == 3
    assert settings.tags_cn == ("冒险", "日常", "恋爱")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCH_LIMIT", "many"),
        ("HOT_TOP_LIMIT", "0"),
        ("CHARACTER_MARKET_REFRESH_INTERVAL", "5 years"),
        ("CHARACTER_RANGE_HEAT_UPDATE_INTERVAL", "10"),
        ("analyze_token", "perhaps"),
        ("OPENAI_BASE_URL", "api.example.com"),
        ("SESSION_SECRET", "short"),
        ("MAX_HEAT", "9999999999999"),
        ("CHARACTER_DOWNLOAD_HEAT_ADD", "0.4"),
        ("LIKED_TTL_SECONDS", "-1"),
        ("LUNALUX_PUBLIC_URL", "foo"),
        ("LUNALUX_PUBLIC_URL", "ftp://example.org"),
        ("CORS_ORIGINS", "example.org"),
        ("CORS_ORIGINS", "https://a.org, https://b.org/page"),
        ("CHARACTER_S3_ORIGINAL_PREFIX", "../x"),
        ("CHARACTER_S3_ORIGINAL_PREFIX", "a//b"),
        ("CHARACTER_S3_THUMBNAIL_PREFIX", "a/../b"),
        ("CHARACTER_S3_THUMBNAIL_PREFIX", "/"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        BackendSettings.from_env({name: value})
    assert caught.value.code == "CONFIG_INVALID"
    assert name in caught.value.message
    assert caught.value.message.count(".") == 1


def test_addresses_of_pages_and_of_the_server_are_kept() -> None:
    settings = BackendSettings.from_env(
        {"CORS_ORIGINS": "https://a.org,http://localhost:3000", "LUNALUX_PUBLIC_URL": "https://c.org/"}
    )
    assert settings.cors_origins == ("https://a.org", "http://localhost:3000")
    assert settings.public_url == "https://c.org"
    assert BackendSettings.from_env({"CORS_ORIGINS": "*"}).cors_origins == ("*",)


def test_half_a_cognito_configuration_names_the_missing_half() -> None:
    with pytest.raises(InvalidInput, match="COGNITO_CLIENT_ID"):
        BackendSettings.from_env({"COGNITO_USER_POOL_ID": "eu_1"})


def test_secrets_are_not_printed_and_rotate_newest_first() -> None:
    settings = BackendSettings.from_env(
        {
            "SESSION_SECRETS": "new-secret-0123456, old-secret-0123456",
            "SESSION_SECRET": "oldest, with a comma",
            "OPENAI_API_KEY": "sk-hidden-0123456789",
        }
    )
    assert settings.session_secrets == ("new-secret-0123456", "old-secret-0123456", "oldest, with a comma")
    assert "secret-0123456" not in repr(settings) and "sk-hidden" not in repr(settings)
