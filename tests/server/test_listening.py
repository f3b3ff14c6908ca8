"""The address of a server."""

import asyncio
import socket

import pytest

from nlcunet.server.run import bind


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_short_answers_are_sent_at_once(host):
    async def accept() -> int:
        accepted = asyncio.get_running_loop().create_future()
        listener = bind(host, 0)
        address = listener.getsockname()[:2]
        async with await asyncio.start_server(lambda _reader, writer: accepted.set_result(writer), sock=listener):
            _, client = await asyncio.open_connection(*address)
            writer = await accepted
            option = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for each in (writer, client):
                each.close()
                await each.wait_closed()
            return option

    assert asyncio.run(accept()) == 1
