"""What examples/python does, with aiohttp: one task sends, one reads."""

import asyncio
import os
import sys

import aiohttp


async def send(socket: aiohttp.ClientWebSocketResponse) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while chunk := await reader.read(4096):
        await socket.send_bytes(chunk)
    await socket.send_str("END")


async def main(url: str) -> int:
    complete = False
    headers = {"X-API-Key": os.environ["TRANSCRIBER_API_KEY"]}
    async with aiohttp.ClientSession(trust_env=True) as session:
        try:
            async with session.ws_connect(url, headers=headers, compress=15) as socket:
                sending = asyncio.create_task(send(socket))
                async for message in socket:
                    event = message.json()
                    if event["type"] == "transcription" and event["text"]:
                        print(event["text"], flush=True)
                    elif event["type"] in ("warning", "error"):
                        print(event["code"], file=sys.stderr)
                    complete = complete or event["type"] == "complete"
                sending.cancel()
        except aiohttp.WSServerHandshakeError as refusal:
            print(f"HTTP {refusal.status}", file=sys.stderr)
    return 0 if complete else 1


sys.exit(asyncio.run(main(*sys.argv[1:])))
