"""Settings: layers, forgiving reading, edits that keep the person's file."""

from __future__ import annotations

import os
import stat
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lunalux_core.config.config_file import remove_model, reset_value, save_model, set_value, template
from lunalux_core.config.credentials import Credentials
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import DECLARATIONS, SavedModel, load_settings
from lunalux_core.errors import InvalidInput, NotFound


def write(paths: Paths, text: str) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(text, encoding="utf-8")


def test_layers_override_each_other_and_say_where_a_value_is_from(paths: Paths) -> None:
    write(paths, 'language = "en"\n[chat]\nreply_words = 300\n[ui]\ntheme = "luna-light"\n')
    environ = {"LUNALUX_LANG": "zh"}
    settings = load_settings(paths, environ, {"ui.theme": "high-contrast"})
    assert (settings.language, settings.reply_words, settings.theme) == ("zh", 300, "high-contrast")
    assert settings.source("language") == "environment"
    assert settings.source("chat.reply_words") == "file"
    assert settings.source("ui.theme") == "flag"
    assert settings.source("ui.bell") == "default"
    assert not settings.problems


def test_a_bad_value_names_key_file_and_allowed_values_and_the_rest_is_read(paths: Paths) -> None:
    write(paths, 'language = "klingon"\n[chat]\nreply_words = 9999999\nenter_sends = "maybe"\nmodel = "x"\n')
    settings = load_settings(paths, {})
    assert (settings.language, settings.reply_words, settings.enter_sends) == ("auto", 200, True)
    assert settings.model == "x"
    told = {problem.params["key"]: problem for problem in settings.problems}
    assert set(told) == {"language", "chat.reply_words", "chat.enter_sends"}
    assert str(paths.config_file) in told["language"].message and "zh" in told["language"].hint


def test_a_configuration_beside_its_folder_is_told_and_not_read(paths: Paths, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[chat]\nreply_words = 90\n", "utf-8")
    settings = load_settings(paths, {"LUNALUX_HOME": str(home)})
    (problem,) = settings.problems
    assert settings.reply_words == 200 and problem.code == "CONFIG_STRAY"
    assert str(paths.config_file) in problem.message
    assert not load_settings(paths, {}).problems


def test_broken_toml_starts_on_the_defaults_and_names_the_line(paths: Paths) -> None:
    write(paths, 'language = "en"\n[chat\n')
    settings = load_settings(paths, {})
    assert settings.language == "auto"
    assert "line 2" in settings.problems[0].message


def test_an_unknown_key_is_told(paths: Paths) -> None:
    write(paths, "[chat]\nfont = 3\n")
    assert load_settings(paths, {}).problems[0].params["key"] == "chat.font"


def test_setting_a_value_keeps_comments_and_other_values(paths: Paths) -> None:
    write(paths, '# mine\nlanguage = "en" # yes\n[chat]\nmodel = "a"\n')
    assert set_value(paths.config_file, "chat.reply_words", "120") == 120
    set_value(paths.config_file, "editor.tags_en", "One, Two")
    text = paths.config_file.read_text("utf-8")
    assert "# mine" in text and "# yes" in text
    settings = load_settings(paths, {})
    assert (settings.model, settings.reply_words, settings.tags_en) == ("a", 120, ("One", "Two"))
    reset_value(paths.config_file, "chat.reply_words")
    assert load_settings(paths, {}).reply_words == 200


def test_a_new_file_documents_every_setting(paths: Paths) -> None:
    set_value(paths.config_file, "ui.bell", True)
    text = paths.config_file.read_text("utf-8")
    for known in DECLARATIONS.values():
        assert known.help in text
    assert load_settings(paths, {}).bell is True
    assert tomllib.loads(template()) == {head: {} for head in tomllib.loads(template())}


def test_values_that_are_not_allowed_are_refused(paths: Paths) -> None:
    with pytest.raises(InvalidInput):
        set_value(paths.config_file, "ui.pictures", "sometimes")
    with pytest.raises(NotFound):
        set_value(paths.config_file, "ui.unknown", "x")
    assert not paths.config_file.exists()


def test_models_are_saved_without_their_keys(paths: Paths) -> None:
    config = SavedModel("local", "openai", "llama", "http://127.0.0.1:1/v1", sampling={"top_k": 40})
    save_model(paths.config_file, config)
    save_model(paths.config_file, SavedModel("g", "gemini", "flash", key_env="GEMINI_API_KEY"))
    settings = load_settings(paths, {})
    assert settings.models["local"] == config and settings.models["g"].key_env == "GEMINI_API_KEY"
    assert remove_model(paths.config_file, "local") and not remove_model(paths.config_file, "local")
    assert list(load_settings(paths, {}).models) == ["g"]


def test_a_broken_model_entry_is_told_and_the_others_work(paths: Paths) -> None:
    write(paths, '[models.bad]\nprovider = "x"\n[models.good]\nprovider = "openai"\nmodel = "m"\n')
    settings = load_settings(paths, {})
    assert list(settings.models) == ["good"] and settings.problems[0].params["name"] == "bad"


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_file_lets_the_program_start(paths: Paths, text: str) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_bytes(text.encode("utf-8", "replace"))
    assert load_settings(paths, {}).reply_words >= 20


def test_secrets_in_the_file_are_for_their_owner_only(paths: Paths) -> None:
    store = Credentials(paths.credentials, use_keyring=False)
    store.set("model:x", "s3cret")
    assert stat.S_IMODE(paths.credentials.stat().st_mode) == 0o600
    again = Credentials(paths.credentials, use_keyring=False)
    assert again.get("model:x") == "s3cret" and again.get("other") is None
    assert "s3cret" not in repr(again)
    again.delete("model:x")
    assert store.get("model:x") is None


WILD = [
    "inf",
    "-inf",
    "nan",
    "1e400",
    "-0.0",
    "1e308",
    "9999999999999999999999",
    "0xffffffffffffffffffffffffffffffff",
    "true",
    "[]",
    "{}",
    "[[]]",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "''",
    "'x'",
    "[1]",
    "[[1,2]]",
    "{a=1}",
]


@pytest.mark.parametrize("value", [*WILD, "0x" + "f" * 9000, "9" * 5000, "'" + "x" * 9000 + "'"])
def test_a_wild_value_of_any_setting_is_named_and_the_rest_is_read(paths: Paths, value: str) -> None:
    for key, known in DECLARATIONS.items():
        head, _, name = key.rpartition(".")
        section = f"[{head}]\n" if head else ""
        write(paths, f"{section}{name} = {value}\n[ui]\n" if head != "ui" else f"{section}{name} = {value}\n")
        settings = load_settings(paths, {})
        got = settings.get(key)
        assert type(got) is type(known.default), key
        if isinstance(got, (int, float)) and not isinstance(got, bool):
            assert (known.low or 0) <= got <= (known.high or 0)
        assert settings.problems or got == known.default or known.choices == () or got in known.choices


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        ".".join("a" * 3000) + " = 1",
        "\n".join(f"k{n} = 1" for n in range(3000)),
        "[models.x]\nprovider = 'openai'\nmodel = 'm'\ncontext_tokens = " + "9" * 400,
        "[models.x]\nprovider = 'openai'\nmodel = 'm'\n[models.x.sampling]\ntemperature = inf\ntop_p = nan",
        "[models.x]\nprovider = ['openai']\nmodel = 'm'",
        "models = 3\nkeys = 4",
        "[keys]\nchat = 3\n'a.b' = []",
        "x" * 300_000 + " = ",
        " " * 100_000 + "language = 7",
    ],
)
def test_a_file_of_any_shape_is_read_soon_and_told_in_few_words(paths: Paths, text: str) -> None:
    write(paths, text)
    began = time.process_time()
    settings = load_settings(paths, {})
    assert time.process_time() - began < 3, "the work of the processor, not the time on the wall"
    assert settings.reply_words == 200 and len(settings.problems) <= 60
    assert all(len(problem.message) < 2000 for problem in settings.problems)


def test_what_stands_where_the_file_should_be_is_told(paths: Paths) -> None:
    paths.config_file.mkdir(parents=True)
    assert load_settings(paths, {}).problems[0].code == "CONFIG_UNREADABLE"
    paths.config_file.rmdir()
    os.mkfifo(paths.config_file)
    assert load_settings(paths, {}).problems[0].code == "CONFIG_UNREADABLE"


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_linked_configuration_stays_a_link_and_its_bytes_stay_as_they_were(
    paths: Paths, tmp_path: Path
) -> None:
    target = tmp_path / "dotfiles" / "lunalux.toml"
    target.parent.mkdir()
    target.write_bytes(b"\xef\xbb\xbf# mine\r\n[chat]\r\nreply_words = 300\r\n")
    target.chmod(0o640)
    paths.config.mkdir(parents=True)
    paths.config_file.symlink_to(target)
    set_value(paths.config_file, "chat.reply_words", 120)
    assert paths.config_file.is_symlink()
    assert target.read_bytes() == b"\xef\xbb\xbf# mine\r\n[chat]\r\nreply_words = 120\r\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["lunalux.toml"]


def test_bytes_that_are_no_words_are_refused(paths: Paths) -> None:
    with pytest.raises(InvalidInput) as told:
        set_value(paths.config_file, "chat.user_name", "Jos\udce9")
    told.value.message.encode()
    assert "LUNALUX_LANG" not in os.environ or load_settings(paths, {"LUNALUX_API_URL": "\udcff"}).problems


def test_a_password_in_an_address_goes_into_no_file(paths: Paths) -> None:
    with pytest.raises(InvalidInput) as told:
        save_model(paths.config_file, SavedModel("x", "openai", "m", "https://ada:s3cret@host/v1"))
    assert told.value.code == "MODEL_URL_PASSWORD" and "s3cret" not in told.value.message
    assert not paths.config_file.exists()
