"""Settings from variables."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.settings import Settings, SettingsError


def test_without_variables_everything_has_a_value() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port, settings.engine_name) == ("127.0.0.1", 8080, "local")
    assert settings.spool_root == Path("data/spool")


def test_variables_are_parsed_by_their_type() -> None:
    settings = Settings.from_environment(
        {"PORT": "9000", "DATA_DIR": "/tmp/x", "MAX_LAG_SECONDS": "2.5", "LOG_LEVEL": "debug", "HOST": "  "}
    )
    assert (settings.port, settings.data_dir, settings.max_lag_seconds) == (9000, Path("/tmp/x"), 2.5)
    assert (settings.log_level, settings.host) == ("DEBUG", "127.0.0.1")


@pytest.mark.parametrize(
    ("variables", "engine"),
    [
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, "openai"),
        ({"OPENAI_API_KEY": "k", "ENGINE": "local"}, "local"),
        ({}, "local"),
    ],
)
def test_the_engine_follows_from_the_key(variables: dict[str, str], engine: str) -> None:
    assert Settings.from_environment(variables).engine_name == engine


def test_all_mistakes_are_reported_at_once_by_name_and_without_the_value() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"PORT": "secret1", "ENDPOINTING_MS": "5", "ENGINE": "siri", "LOCAL_WORKERS": "1.5", "LOG_LEVEL": "LOUD"}
        )
    problems = caught.value.problems
    assert [problem.split(":")[0] for problem in problems] == [
        "PORT",
        "LOG_LEVEL",
        "ENGINE",
        "LOCAL_WORKERS",
        "ENDPOINTING_MS",
    ]
    assert "between 100 and 5000" in problems[4]
    assert "auto, openai, local" in problems[2]
    assert "secret1" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("EMF_NAMESPACE", "AWS/Speech"),
        ("EMF_NAMESPACE", ":speech"),
        ("EMF_NAMESPACE", "x" * 256),
        ("EMF_NAMESPACE", "spéech"),
    ],
)
def test_where_figures_go_must_be_able_to_take_them(name: str, value: str) -> None:
    """Otherwise they would be dropped there, or on the way, without a word."""
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("url", ["foo", "127.0.0.1:8000/v1", "http://", "ws://127.0.0.1/v1"])
def test_the_api_is_at_a_url(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^OPENAI_BASE_URL: must be a URL"):
        Settings.from_environment({"OPENAI_BASE_URL": url})


def test_where_figures_usually_go() -> None:
    Settings.from_environment(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318/base", "EMF_NAMESPACE": "Transcriber/prod #1:a_b-c.d"}
    )


def test_openai_without_a_key_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        Settings.from_environment({"ENGINE": "openai"})


def test_secrets_are_not_shown() -> None:
    assert "sk-1" not in repr(Settings.from_environment({"OPENAI_API_KEY": "sk-1"}))


def test_a_dotenv_file_stands_behind_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=7001\nENDPOINTING_MS=700\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "7002")
    settings = Settings.from_environment()
    assert (settings.port, settings.endpointing_ms) == (7002, 700)


def test_mistakes_in_the_file_are_reported_with_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes(b"\xffPORT=1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert caught.value.problems == [".env: is not text in UTF-8", "PORT: must be a whole number"]


NAMES = [known.name.upper() for known in fields(Settings)]
VALUES = st.sampled_from(["", "0", "-1", "1e9", "nan", "inf", "openai", "JSON", "cuda", "9" * 5000, "٣"]) | st.text()


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.sampled_from([*NAMES]))
def test_any_values_are_taken_or_named_as_mistakes(variables: dict[str, str], planted: str) -> None:
    variables = variables | {planted: "a planted secret"}
    try:
        settings = Settings.from_environment(variables)
    except SettingsError as error:
        problems = error.problems
        assert {problem.partition(":")[0] for problem in problems} <= {
            *variables,
            "OPENAI_API_KEY",
            "TLS_KEY_FILE",
            "WEBHOOK_SECRET",
        }
        assert not any("planted" in problem for problem in problems)
        return
    for known in fields(Settings):
        if limits := known.metadata["limits"]:
            assert limits["minimum"] <= getattr(settings, known.name) <= limits["maximum"]


@pytest.mark.parametrize(
    ("given", "connections"), [({}, 500), ({"MAX_SESSIONS": "10"}, 120), ({"MAX_CONNECTIONS": "7"}, 7)]
)
def test_connections_follow_the_sessions_unless_they_are_set(given: dict[str, str], connections: int) -> None:
    assert Settings.from_environment(given).connections == connections


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_a_service_without_keys_is_for_this_machine(host: str) -> None:
    assert not Settings.from_environment({"HOST": host}).keyed


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_one_for_others_has_keys_or_is_open_to_all(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^HOST: .*API_KEYS_FILE.*ALLOW_ANONYMOUS=true"):
        Settings.from_environment({"HOST": host})
    for allowed in ({"API_KEYS": "[]"}, {"API_KEYS_FILE": "keys.json"}, {"ALLOW_ANONYMOUS": "TRUE"}):
        assert Settings.from_environment({"HOST": host, **allowed}).host == host


def test_lists_are_separated_by_commas_and_checked() -> None:
    settings = Settings.from_environment({"ALLOWED_HOSTS": " a.example, ,b.example "})
    assert settings.listed("allowed_hosts") == ["a.example", "b.example"]
    wrong = {"ALLOWED_HOSTS": "a/b", "ALLOWED_ORIGINS": "example.com", "TRUSTED_PROXIES": "10.0.0.1/33"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(wrong)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == list(wrong)


def test_a_short_secret_and_half_a_certificate_are_mistakes() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"TOKEN_SECRET": "planted", "TLS_CERT_FILE": "cert.pem"})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["TLS_KEY_FILE", "TOKEN_SECRET"]
    assert "planted" not in str(caught.value)


def test_keys_and_the_secret_are_not_shown() -> None:
    settings = Settings.from_environment({"API_KEYS": "[1]", "TOKEN_SECRET": "x" * 32})
    assert "[1]" not in repr(settings)
    assert "xxx" not in repr(settings)


SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("url", ["https://receiver.example/hook", "http://127.0.0.1:9/hook", "http://localhost/", ""])
def test_webhooks_go_where_nobody_reads_on_the_way(url: str) -> None:
    assert Settings.from_environment({"WEBHOOK_URL": url, "WEBHOOK_SECRET": SIGNING}).webhook_url == url


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "http://10.0.0.1/", "ftp://localhost/", "receiver", "https://"]
)
def test_webhooks_go_nowhere_else(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^WEBHOOK_URL: "):
        Settings.from_environment({"WEBHOOK_URL": url, "WEBHOOK_SECRET": SIGNING})


def test_webhooks_are_signed() -> None:
    with pytest.raises(SettingsError, match=r"^WEBHOOK_SECRET: ") as caught:
        Settings.from_environment({"WEBHOOK_URL": "https://receiver.example", "WEBHOOK_SECRET": "planted"})
    assert "planted" not in str(caught.value)
    assert SIGNING not in repr(Settings.from_environment({"WEBHOOK_SECRET": SIGNING}))
