"""Load on a server: the same requests over and over on many connections, by `wrk` where it is, else by ourselves."""

import asyncio
import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

CONNECTIONS = 64
TOOL = "wrk" if shutil.which("wrk") else "our own load tool"

SCRIPT = """
local requests, at = {{}}, 0
for line in io.lines("{file}") do
    local method, path, body = line:match("^(%S+) (%S+) (.*)$")
    requests[#requests + 1] = {{method, path, body}}
end
init = function()
    for number, one in ipairs(requests) do
        requests[number] = wrk.format(one[1], one[2], {headers}, one[3])
    end
end
request = function()
    at = at % #requests + 1
    return requests[at]
end
"""


@dataclass(frozen=True)
class Request:
    """One request; `body` is JSON on one line."""

    method: str
    path: str
    body: str = ""


def load(url: str, requests: list[Request], *, token: str = "", seconds: float = 3.0) -> float:
    """Requests answered in a second.

    Raises:
        RuntimeError: an answer was no 2xx.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if TOOL == "wrk":
        return _wrk(url, requests, headers, seconds)
    return asyncio.run(_ours(url, requests, headers, seconds))


def _wrk(url: str, requests: list[Request], headers: dict[str, str], seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requests")
        listed.write_text("".join(f"{one.method} {one.path} {one.body}\n" for one in requests), encoding="utf-8")
        table = "{" + ", ".join(f'["{name}"] = "{value}"' for name, value in headers.items()) + "}"
        script = Path(folder, "script.lua")
        script.write_text(SCRIPT.format(file=listed, headers=table), encoding="utf-8")
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(script), url]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last is answered."""

    def __init__(self, requests: Iterator[bytes], failed: "asyncio.Future[None]") -> None:
        self.answered = 0
        self._requests = requests
        self._failed = failed
        self._received = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(next(self._requests))

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if len(body) < (int(length[1]) if length else 0):
            return
        if not head.startswith(b"HTTP/1.1 2") and not self._failed.done():
            self._failed.set_exception(RuntimeError(self._received.decode()))
        self.answered += 1
        self._received = b""
        self._transport.write(next(self._requests))


async def _ours(url: str, requests: list[Request], headers: dict[str, str], seconds: float) -> float:
    address = urlsplit(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    raw = itertools.cycle(
        f"{one.method} {one.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{lines}"
        f"Content-Length: {len(one.body.encode())}\r\n\r\n{one.body}".encode()
        for one in requests
    )
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    made = [
        await loop.create_connection(lambda: _Connection(raw, failed), address.hostname, address.port)
        for _ in range(CONNECTIONS)
    ]
    begun = loop.time()
    await asyncio.wait([failed], timeout=seconds)
    passed = loop.time() - begun
    for transport, _ in made:
        transport.abort()
    if failed.done():
        failed.result()
    return sum(connection.answered for _, connection in made) / passed
