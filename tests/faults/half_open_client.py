"""A client for another network: `python -m tests.faults.half_open_client HOST PORT COUNT`.

It opens so many sockets, says a second of silence on each, tells that it has, and then only answers pings.
"""

import asyncio
import sys

from websockets.asyncio.client import connect


async def hold(url: str) -> None:
    connection = await connect(url, proxy=None, ping_interval=None)
    await connection.send(bytes(32_000))
    while True:
        await connection.recv()


async def main(host: str, port: str, count: str) -> None:
    url = f"ws://{host}:{port}/ws?encoding=pcm_s16le&sample_rate=16000"
    holding = [asyncio.create_task(hold(url)) for _ in range(int(count))]
    await asyncio.sleep(1.5)
    assert not any(task.done() for task in holding)
    sys.stdout.write("holding\n")
    sys.stdout.flush()
    await asyncio.gather(*holding)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
