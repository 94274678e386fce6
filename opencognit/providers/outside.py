"""What tools reach outside of the company's records: files of the workspace, commands in it, and public pages."""

import asyncio
from typing import Final

import aiohttp

from opencognit.domain.errors import ValidationFailed
from opencognit.providers import workspace_files
from opencognit.providers.command_line import BashProvider
from opencognit.security.outbound import check_url, guarded_session

PAGE_BYTES: Final = 200_000
"""How much of a page is read; what is longer is cut, and that is said."""
PAGE_SECONDS: Final = 30
COMMAND_SECONDS: Final = 300
_REDIRECTS: Final = 5
_TEXT: Final = ("application/json", "application/xml", "application/xhtml+xml", "application/javascript")


class Outside:
    """The way out, the same for all adapters.

    Args:
        bash: runs commands, if the server's configuration lets it.
        allowed_addresses: private places that may be fetched from; see `opencognit.security.outbound`.
    """

    def __init__(self, bash: BashProvider, *, allowed_addresses: frozenset[str] = frozenset()) -> None:
        self._bash = bash
        self._allowed = allowed_addresses

    @property
    def has_commands(self) -> bool:
        """Whether this server runs commands at all."""
        return self._bash.enabled

    async def read_file(self, workspace: str, path: str) -> str:
        """A text file of the workspace. Raises `NotFound` and `ValidationFailed`."""
        return await asyncio.to_thread(workspace_files.read_text, workspace, path)

    async def write_file(self, workspace: str, path: str, content: str) -> None:
        """Write one. Raises `ValidationFailed`."""
        await asyncio.to_thread(workspace_files.write_text, workspace, path, content)

    async def list_files(self, workspace: str, path: str) -> str:
        """What lies in a folder. Raises `NotFound` and `ValidationFailed`."""
        return await asyncio.to_thread(workspace_files.listing, workspace, path)

    async def run_command(self, workspace: str, command: str) -> str:
        """Run a command there; its output, and how it ended. Raises `Forbidden` where commands are off."""
        return await self._bash.run(command, workspace=workspace, time_limit=COMMAND_SECONDS)

    async def fetch_url(self, url: str) -> str:
        """The text at a URL.

        Raises:
            ForbiddenAddress: it, or one that it redirects to, must not be called.
            ValidationFailed: it is no URL, does not answer, or does not answer with text.
        """
        timeout = aiohttp.ClientTimeout(total=PAGE_SECONDS)
        try:
            async with guarded_session(self._allowed, timeout=timeout) as session:
                for _ in range(_REDIRECTS + 1):
                    check_url(url, self._allowed)
                    async with session.get(url, allow_redirects=False) as response:
                        location = response.headers.get("Location")
                        if not (300 <= response.status < 400 and location):  # noqa: PLR2004 - the class of redirects
                            return await _text(response)
                        url = str(response.url.join(type(response.url)(location)))
        except TimeoutError as error:
            raise ValidationFailed.of("url", f"did not answer within {PAGE_SECONDS} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ValidationFailed.of("url", f"could not be fetched ({type(error).__name__})") from error
        raise ValidationFailed.of("url", f"redirects more than {_REDIRECTS} times")


async def _text(response: aiohttp.ClientResponse) -> str:
    kind = response.content_type
    if not (kind.startswith("text/") or kind in _TEXT or kind.endswith(("+json", "+xml"))):
        raise ValidationFailed.of("url", f"answers with {kind}, which is not text")
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > PAGE_BYTES:
            break
    text = content[:PAGE_BYTES].decode(errors="replace")
    cut = f"\n[cut after {PAGE_BYTES} bytes]" if len(content) > PAGE_BYTES else ""
    return f"Status {response.status}\n{text}{cut}"
