"""What kinds of content stored files are."""

import pytest

from tests.corpus import RECIPES, encoded
from transcriber.audio.sniffing import extension_of
from transcriber.storage.media_types import MEDIA_TYPES, media_type
from transcriber.transcript import FILES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("2026/11/25/a.b/audio.wav", "audio/wav"),
        ("transcript.txt", "text/plain; charset=utf-8"),
        ("audio.bin", "application/octet-stream"),
        ("audio", "application/octet-stream"),
    ],
)
def test_the_end_of_a_name_says_it(name: str, kind: str) -> None:
    assert media_type(name) == kind


def test_all_that_is_stored_has_one() -> None:
    extensions = {extension_of(encoded(name)) for name in RECIPES} | {
        name.rpartition(".")[2] for name in FILES.values()
    }
    assert extensions <= MEDIA_TYPES.keys()
