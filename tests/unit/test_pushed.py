"""Packets to samples, without a thread."""

import time

import pytest

from tests.corpus import encoded, reference
from tests.decoding import decoded, fed, losses, taken
from tests.unit.test_ogg import FIRST, LAST, page
from transcriber.audio.decoder import DecodeError
from transcriber.audio.ogg import OggDemuxer
from transcriber.audio.packets import Item, Lost, Packet, Track
from transcriber.audio.pushed import Codec, PushedDecoder

HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
SILENCE = b"\xf8\xff\xfe"
"""20 ms of Opus."""


class Given:
    """A demuxer that has it all."""

    def __init__(self, *items: Item) -> None:
        self._items = [*items]

    def feed(self, data: bytes) -> None:
        return None

    def end(self) -> None:
        return None

    def next(self) -> Item | None:
        return self._items.pop(0) if self._items else None


class Slow(Given):
    """A demuxer that computes a while and finds nothing but damage."""

    def next(self) -> Item | None:
        began = time.thread_time()
        while time.thread_time() < began + 0.3:
            pass
        return Lost()


async def test_computing_without_end_is_refused() -> None:
    decoder = PushedDecoder(Slow())
    with pytest.raises(DecodeError) as caught:
        await taken(lambda: decoder.decode(b"x"))
    assert caught.value.error.code == "audio_too_expensive"


async def length(*items: Item) -> tuple[int, int]:
    samples, lost = await decoded(PushedDecoder(Given(*items)), [bytes(1 << 20)])
    return samples.shape[1], lost


OPUS = Track("opus", HEAD)
PRESKIP = 104
"""Samples at 16 kHz."""


async def test_the_pre_skip_is_not_heard() -> None:
    assert await length(OPUS, *[Packet(SILENCE)] * 10) == (3_200 - PRESKIP, 0)


async def test_the_end_is_where_the_container_says() -> None:
    assert await length(OPUS, *[Packet(SILENCE)] * 9, Packet(SILENCE, end=8_952)) == (2_880, 0)
    assert await length(OPUS, *[Packet(SILENCE)] * 9, Packet(SILENCE, discard_ns=10_000_000)) == (3_040 - PRESKIP, 0)
    assert await length(OPUS, *[Packet(SILENCE, end=312 + 480)] * 3) == (160, 0)


async def test_an_end_counts_from_where_the_packet_is_known_to_begin() -> None:
    later = Packet(SILENCE, start=96_000, end=96_480)
    assert await length(OPUS, *[Packet(SILENCE)] * 2, later) == (640 + 160 - PRESKIP, 0)


async def test_a_delay_is_left_out_at_the_beginning() -> None:
    pcm = Track("pcm_s16le", b"", 16_000, 1, delay_ns=100_000_000)
    assert await length(pcm, *[Packet(bytes(1_600))] * 4) == (1_600, 0)


async def test_tracks_follow_one_another() -> None:
    assert await length(OPUS, Packet(SILENCE), Track("pcm_u8", b"", 8_000, 2), Packet(bytes(800))) == (
        320 - PRESKIP + 800,
        0,
    )


async def test_packets_that_are_damaged_or_lost_are_told() -> None:
    broken = Packet(b"\xff" * 3)
    assert await length(OPUS, Packet(SILENCE), broken, Lost(), Packet(SILENCE)) == (640 - PRESKIP, 1)


async def test_nothing_is_lost_that_was_decoded_before_damage() -> None:
    decoder = PushedDecoder(Given(OPUS, *[Packet(SILENCE)] * 9, Lost(), Packet(SILENCE, ends=9_600)))
    made: list[int] = []
    with pytest.raises(DecodeError, match="damaged"):  # noqa: PT012 - what comes before it counts
        async for block in decoder.decode(b""):
            made.append(block.shape[1])
    assert sum(made) == 9 * 320 - PRESKIP
    assert (await fed(decoder, b""))[1] == 0


async def missing(*items: Item) -> list[float | None]:
    """How long the stretches are that are lost, as far as it is said."""
    _, found = await losses(PushedDecoder(Given(*items)), [bytes(1 << 20)])
    return [seconds and round(seconds, 4) for seconds in found]


async def test_how_much_is_lost_shows_where_a_page_ends() -> None:
    begun = [Packet(SILENCE)] * 10
    assert await missing(OPUS, *begun, Lost(), Packet(SILENCE), Packet(SILENCE, ends=48_000)) == [0.76]
    assert await missing(OPUS, *begun, Packet(b"\xff" * 3), Packet(SILENCE, ends=10_560)) == [None]
    assert await missing(OPUS, *begun, Lost(), Packet(SILENCE)) == [None]
    assert await missing(OPUS, Lost(), Packet(SILENCE, ends=48_000)) == [None], "nobody knows where it begins"
    assert await missing(OPUS, *begun, Lost(), *[Packet(SILENCE)] * 300, Packet(SILENCE, ends=10**9)) == [None]


def timed(*milliseconds: int) -> list[Item]:
    return [Packet(SILENCE, time_ns=1_000_000 * at) for at in milliseconds]


async def test_how_much_is_lost_shows_where_the_next_block_begins() -> None:
    assert await missing(OPUS, *timed(1000, 1020), Lost(), *timed(1100, 1120)) == [0.06]
    assert await missing(OPUS, *timed(1000, 1021), Lost(), *timed(1040, 1060)) == [None]


async def test_a_gap_in_time_alone_is_told_if_it_is_long_and_a_pause_if_it_is_short() -> None:
    assert await missing(OPUS, *timed(0, 20, 40, 1060, 1080)) == [1.0]
    assert await missing(OPUS, *timed(0, 20, 440, 860)) == []
    assert await length(OPUS, *timed(0, 20, 440, 860)) == (880 * 16 - PRESKIP, 0)


async def test_what_is_lost_with_the_head_of_a_cluster_shows_at_the_next() -> None:
    assert await missing(OPUS, *timed(500, 520), Lost(), *timed(80, 100, 660, 680)) == [None, 0.08]


async def test_more_than_one_decoded_as_samples_after_damage_stays_in_place() -> None:
    decoder = PushedDecoder(Given(OPUS, *timed(0, 20), Lost(), *timed(100), Lost(), *timed(500)))
    samples, lost = await decoded(decoder, [b""])
    assert (samples.shape[1], lost) == (4 * 320 - PRESKIP, 2)


@pytest.mark.parametrize(
    "track", [Track("opus", b"short"), Track("vorbis", b"\x02\x01\x01"), Track("cook"), Track("pcm_s16le")]
)
def test_tracks_that_can_not_be_decoded_are_refused(track: Track) -> None:
    with pytest.raises(DecodeError) as caught:
        Codec(track)
    assert caught.value.error.code == "unsupported_audio"


async def test_blocks_are_bounded_whatever_a_few_bytes_expand_to() -> None:
    decoder = PushedDecoder(Given(OPUS, *[Packet(b"\x18")] * 2_000))  # 60 ms each
    blocks, _ = await fed(decoder, bytes(2_000))
    assert len(blocks) >= 60


async def test_bombs_are_defused() -> None:
    decoder = PushedDecoder(Given(OPUS, *[Packet(b"\x18")] * 20_000))
    with pytest.raises(DecodeError) as caught:
        await fed(decoder, bytes(100))
    assert caught.value.error.code == "audio_too_expensive"


async def test_a_chain_of_streams_is_one() -> None:
    stream = encoded("ogg opus")
    samples, lost = await decoded(PushedDecoder(OggDemuxer()), [stream + stream])
    assert samples.shape[1] == 2 * reference("ogg opus")[0].shape[1] * 16_000 // 48_000
    assert lost == 0


async def test_a_flush_gives_all_that_was_decoded() -> None:
    decoder = PushedDecoder(OggDemuxer())
    stream = page(0, HEAD, flags=FIRST) + page(1, b"OpusTags") + page(2, *[SILENCE] * 50, flags=LAST, granule=48_000)
    blocks, _ = await fed(decoder, stream)
    assert sum(block.shape[1] for block in blocks) + (await decoder.flush()).shape[1] == 16_000 - PRESKIP
    assert await taken(decoder.close) == ([], 0)
    decoder.release()
