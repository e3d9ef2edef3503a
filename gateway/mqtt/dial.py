"""A TCP connection to a name that may have several addresses, within a time."""

from __future__ import annotations

import asyncio
import socket


async def dial(host: str, port: int, timeout_s: float) -> socket.socket:
    """A connected, non-blocking socket. Raises TimeoutError, or the OSError of the last address tried.

    Every address gets an equal part of what is left of the time, so that a dead IPv6 route does not use it all up.
    (asyncio's own happy eyeballs leaks the socket when it is cancelled at the wrong moment.)
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    async with asyncio.timeout_at(end):
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    problem: OSError = TimeoutError()
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout((end - loop.time()) / left):
                await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem
