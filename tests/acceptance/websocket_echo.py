"""A WebSocket application that says every message back. Arguments: port on the loopback interface."""

import asyncio
import sys

import websockets


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def serve(port):
    async with websockets.serve(echo, "127.0.0.1", port, max_size=None, compression=None):
        await asyncio.Future()


asyncio.run(serve(int(sys.argv[1])))
