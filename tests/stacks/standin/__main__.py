"""The plugin's process: prints its port, as plugins do, and serves until the engine ends it."""

import contextlib
import sys
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from .provider import Provider

_THREADS = 32
_LONGEST_MESSAGE_BYTES = 400 << 20


def main() -> None:
    options = [("grpc.max_receive_message_length", _LONGEST_MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine interrupts its plugins when it is done with them.
    with contextlib.suppress(KeyboardInterrupt):
        server.wait_for_termination()


main()
