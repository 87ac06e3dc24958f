"""The packaged model, step by step, on a passage of the demo recording."""

import re

import numpy as np
import pytest

from tests import lj001
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.whisper_backend import Decoding, Encoded, Whisper
from transcriber.engines.whisper_guard import token_cap, trimmed_frames
from transcriber.engines.whisper_models import locate

SAMPLES = lj001.samples()[:30_000].astype(np.float32) / 32768
FRAMES = trimmed_frames(SAMPLES.size)


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(locate("").folder, device="cpu")


@pytest.fixture(scope="module")
def encoded(whisper: Whisper) -> Encoded:
    window, _ = whisper.features(SAMPLES, FRAMES)
    louder, _ = whisper.features(SAMPLES * 2, FRAMES)
    return whisper.encode([window, louder])


def decode(whisper: Whisper, encoded: Encoded, prompt: tuple[int, ...] = (), max_tokens: int = 0) -> list[Decoding]:
    prompts = [whisper.start(prompt, "en", "transcribe")] * encoded.view.shape[0]
    return whisper.decode(encoded, prompts, beam_size=1, max_tokens=max_tokens or token_cap(FRAMES))


def test_it_knows_its_languages(whisper: Whisper) -> None:
    assert not whisper.multilingual
    assert whisper.languages == {"en"}
    assert (whisper.device, whisper.compute_type.startswith("int8")) == ("cpu", True)


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        Whisper(locate("").folder, device="tpu")


def test_a_window_is_filled_up_with_its_own_floor(whisper: Whisper) -> None:
    window, filled = whisper.features(SAMPLES, FRAMES)
    assert window.shape == (80, FRAMES)
    assert filled == SAMPLES.size // 160 + 1
    assert window.dtype == np.float32
    assert (window[:, filled:] == window[:, :filled].min()).all()


def test_a_window_ends_where_it_must(whisper: Whisper) -> None:
    window, filled = whisper.features(SAMPLES, 100)
    assert window.shape == (80, 100)
    assert filled == 100


def test_speech_becomes_text(whisper: Whisper, encoded: Encoded) -> None:
    decoding, _ = decode(whisper, encoded)
    assert re.findall(r"\w+", whisper.text(decoding.tokens).lower()) == ["printing", "in", "the", "only", "sense"]
    assert -1.0 < decoding.log_probability < 0.0
    assert 0.0 <= decoding.no_speech_probability < 0.5


@pytest.mark.parametrize("prompt", [(), (262,) * 3, (262,) * 40])
def test_an_answer_has_no_more_tokens_than_asked_for(
    whisper: Whisper, encoded: Encoded, prompt: tuple[int, ...]
) -> None:
    decoding, _ = decode(whisper, encoded, prompt, max_tokens=4)
    assert 4 <= len(decoding.tokens) <= 5


def test_the_longest_prompt_leaves_room_for_the_longest_answer(whisper: Whisper, encoded: Encoded) -> None:
    prompt = whisper.prompt_tokens("printing " * 5000, ["Gutenberg"] * 20)
    start = whisper.start(prompt, "en", "transcribe")
    assert len(start) <= 224
    (decoding,) = whisper.decode(encoded.rows([0]), [start], beam_size=1, max_tokens=224)
    assert len(decoding.tokens) <= 225


def test_a_prompt_is_cut_at_its_start_and_keywords_are_kept(whisper: Whisper) -> None:
    prompt = whisper.prompt_tokens("old " * 1000 + "new", ["Kelmscott"])
    text = whisper.text(prompt)
    assert text.startswith("Kelmscott old")
    assert text.endswith("old new")


def test_no_prompt_has_no_tokens(whisper: Whisper) -> None:
    assert whisper.prompt_tokens(None, ()) == ()
    assert whisper.prompt_tokens("  ", ()) == ()


def test_keywords_are_written_as_they_were_given(whisper: Whisper) -> None:
    passage = lj001.passages()[6]
    first, last = (round(moment * SAMPLE_RATE) for moment in (passage.start, passage.end))
    samples = lj001.samples()[first:last].astype(np.float32) / 32768
    frames = trimmed_frames(samples.size)
    encoded = whisper.encode([whisper.features(samples, frames)[0]])
    keyword = whisper.prompt_tokens(None, ["Guttenburgh"])
    with_keyword, without = (
        whisper.text(decode(whisper, encoded, prompt, token_cap(frames))[0].tokens) for prompt in (keyword, ())
    )
    assert "Guttenburgh" in with_keyword
    assert "Guttenburgh" not in without


def test_pieces_are_all_of_the_text(whisper: Whisper, encoded: Encoded) -> None:
    decoding, _ = decode(whisper, encoded)
    pieces = whisper.pieces(decoding.tokens)
    assert "".join(piece.text for piece in pieces).strip() == whisper.text(decoding.tokens)
    assert [token for piece in pieces for token in piece.tokens] == list(decoding.tokens)


def test_alignment_covers_every_token_and_the_end(whisper: Whisper, encoded: Encoded) -> None:
    tokens = decode(whisper, encoded)[0].tokens
    (alignment,) = whisper.align(encoded.rows([0]), [tokens], [188], language="en", task="transcribe")
    assert {index for index, _ in alignment.path} == set(range(len(tokens) + 1))
    assert all(0 <= step <= 94 for _, step in alignment.path)
    assert len(alignment.probabilities) == len(tokens)


def test_rows_are_taken_out_unchanged(whisper: Whisper, encoded: Encoded) -> None:
    both = decode(whisper, encoded)
    assert decode(whisper, encoded.rows([1])) == both[1:]
    assert encoded.rows([0, 1]) is encoded
