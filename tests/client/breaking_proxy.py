"""What lies between a client and a server, and breaks: a TCP proxy that can lose answers and connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class BreakingProxy:
    """A proxy for one server.

    Attributes:
        url: its own address.
        lost: how many answers it shall still lose: the server has done the work, and the connection ends.
        requests: the heads of all requests that went through.
    """

    def __init__(self, url: str) -> None:
        self.lost = 0
        self.requests: list[str] = []
        self.url = ""
        self._server = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["BreakingProxy"]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.cut()
            listener.close()
            await listener.wait_closed()

    def cut(self) -> None:
        """Lose all connections there are."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._there(reader, back), self._back(there, writer))
        except ConnectionError:
            writer.transport.abort()
        finally:
            self._writers -= {writer, back}
            back.close()
            writer.close()

    async def _there(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            if b" HTTP/1.1\r\n" in part:
                self.requests.append(part.partition(b"\r\n\r\n")[0].decode())
            server.write(part)
            await server.drain()
        server.close()

    async def _back(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await server.read(65536):
            if self.lost:
                self.lost -= 1
                raise ConnectionResetError
            writer.write(part)
            await writer.drain()
        writer.close()

    def header(self, name: str) -> list[str]:
        """Its values in all requests that bear it."""
        lines = [line for head in self.requests for line in head.split("\r\n")]
        return [value.strip() for key, _, value in (line.partition(":") for line in lines) if key == name]
