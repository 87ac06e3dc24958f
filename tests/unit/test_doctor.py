"""What would be used, said before it is."""

from pathlib import Path

from tests.certificates import Authority
from transcriber.api_keys import KeyLimits, dump, new_key
from transcriber.doctor import report
from transcriber.settings import Settings


def told(**settings: object) -> tuple[str, bool]:
    lines, works = report(Settings(**settings))  # type: ignore[arg-type]
    return "\n".join(lines), works


def test_an_engine_that_was_chosen(tmp_path: Path) -> None:
    text, works = told(engine="openai", openai_api_key="sk-secret", openai_model="whisper-1", data_dir=tmp_path)
    assert works
    assert "openai" in text
    assert "whisper-1" in text
    assert "ENGINE=auto" not in text
    assert "sk-secret" not in text


def test_an_engine_that_auto_comes_to(tmp_path: Path) -> None:
    text, works = told(openai_base_url="http://user:password@127.0.0.1:9/v1", data_dir=tmp_path)
    assert works
    assert "openai (ENGINE=auto: a key or base URL is set)" in text
    assert "127.0.0.1:9/v1" in text
    assert "password" not in text


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    text, works = told(engine="local", local_model=str(empty), data_dir=tmp_path)
    assert not works
    assert "local: can't be used: LOCAL_MODEL" in text


def test_the_packaged_model(tmp_path: Path) -> None:
    text, works = told(data_dir=tmp_path)
    assert works
    assert "local (ENGINE=auto: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set)" in text
    assert "tiny.en" in text


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "far" / "away"
    text, works = told(engine="openai", openai_api_key="k", data_dir=folder)
    assert works
    assert f"{folder} (" in text
    assert "GiB free" in text
    assert f"{folder / 'spool'} (" in text
    assert not list(tmp_path.iterdir())


def test_a_spool_that_can_not_be_written_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    text, works = told(engine="openai", openai_api_key="k", data_dir=tmp_path, spool_dir=file / "spool")
    assert not works
    assert f"spool       {file / 'spool'} (not a folder that can be written to)" in text


def test_a_language_that_the_model_does_not_know(tmp_path: Path) -> None:
    text, works = told(engine="local", default_language="fr", data_dir=tmp_path)
    assert not works
    assert "local: can't be used: DEFAULT_LANGUAGE: the model tiny.en does not know the language fr" in text


def test_a_store_that_can_not_be_written_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    for folder in (file, file / "below"):
        text, works = told(engine="openai", openai_api_key="k", data_dir=folder)
        assert not works
        assert "not a folder that can be written to" in text


def test_where_it_listens_and_what_it_takes(tmp_path: Path) -> None:
    text, _ = told(
        engine="openai", openai_api_key="k", data_dir=tmp_path, port=9000, max_sessions=3, max_lag_seconds=4.5
    )
    assert "127.0.0.1:9000" in text
    assert "at most 3 at once" in text
    assert "more than 4.5 s behind" in text


def test_who_is_let_in(tmp_path: Path) -> None:
    ours = {"engine": "openai", "openai_api_key": "k", "data_dir": tmp_path}
    _, kept = new_key("alice", KeyLimits())
    for settings, words in (
        ({}, "everybody on this machine"),
        ({"allow_anonymous": "true"}, "everybody (ALLOW_ANONYMOUS)"),
        ({"api_keys": dump([kept])}, "holders of API keys: 1 now"),
    ):
        text, works = told(**ours, **settings)
        assert works
        assert f"lets in     {words}" in text
        assert kept.sha256 not in text
    text, works = told(**ours, api_keys="[planted")
    assert (works, "planted" in text) == (False, False)
    assert "lets in     nobody: API_KEYS: not valid JSON" in text


def test_a_certificate(tmp_path: Path) -> None:
    ours = {"engine": "openai", "openai_api_key": "k", "data_dir": tmp_path}
    cert, key = Authority().write(tmp_path)
    text, works = told(**ours, tls_cert_file=cert, tls_key_file=key)
    assert works
    assert "listens on  https://127.0.0.1:8080" in text
    text, works = told(**ours, tls_cert_file=cert, tls_key_file=cert)
    assert not works
    assert "nobody: TLS_CERT_FILE, TLS_KEY_FILE: " in text
