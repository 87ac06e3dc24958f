"""Limits, as Hypercorn is told them."""

from hypercorn.config import Config

from transcriber.hypercorn_config import Limits, ServerConfig, limits_of


def test_hypercorn_is_told_what_it_knows() -> None:
    limits = Limits(head_bytes=1, keep_alive_seconds=2, message_bytes=3, ping_seconds=4)
    config = ServerConfig(limits)
    told = (
        config.h11_max_incomplete_size,
        config.keep_alive_timeout,
        config.websocket_max_message_size,
        config.websocket_ping_interval,
    )
    assert told == (1, 2, 3, 4)
    assert limits_of(config) is limits


def test_a_server_started_by_hand_has_the_defaults() -> None:
    assert limits_of(Config()) == Limits()
