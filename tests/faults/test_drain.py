"""SIGTERM with 40 sessions amid speech, some of whose clients are no help at all."""

import signal
import sys
from collections import Counter

import pytest

from tests.calls import CHUNK_BYTES, Kind, check_kept, end_amid_calls
from tests.service_process import ServiceProcess

DRAIN_SECONDS = 2
KINDS: list[Kind] = [*["polite"] * 32, *["stubborn"] * 5, *["deaf"] * 3]


@pytest.mark.timeout(180)
async def test_forty_sessions_amid_speech(own_service: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    own_service.settings["DRAIN_SECONDS"] = str(DRAIN_SECONDS)
    own_service.start()
    ending = await end_amid_calls(own_service, KINDS, [(0, signal.SIGTERM)], speaking_seconds=4)
    hearing = [*ending.of("polite"), *ending.of("stubborn")]
    finals = [call.kinds.count("transcription") for call in hearing]
    figures = [
        f"SIGTERM with {len(KINDS)} sessions amid speech, DRAIN_SECONDS={DRAIN_SECONDS}",
        f"exit code {ending.exit_code} after {ending.seconds:.1f} s",
        f"close codes {dict(Counter(call.close for call in ending.calls))}",
        f"last messages {dict(Counter(call.kinds[-1] for call in hearing))}",
        f"finals told {sum(finals)}, to {sum(map(bool, finals))} of {len(hearing)} that read",
        f"audio sent before the signal {sum(ending.sent_before) / 32_000:.0f} s in {CHUNK_BYTES}-byte messages",
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n  ".join(figures) + "\n")
    assert ending.exit_code == 0
    assert ending.seconds < DRAIN_SECONDS + 12
    assert {call.close for call in hearing} == {(1012, "service restart")}
    assert all(call.kinds[-2:] == ["transcription", "complete"] for call in hearing)
    check_kept(own_service, ending)
