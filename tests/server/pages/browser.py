"""A headless Chromium, driven through its DevTools.

Owns: its start, its end, and the few commands that the tests of the pages need. Must not know: any page.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # as root there is none, and the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_WITHIN = 60.0


@dataclass
class Browser:
    """One tab. ``trouble`` is what the console says, refused by a policy or raised; dialogs are in it, too."""

    socket: aiohttp.ClientWebSocketResponse
    trouble: list[str] = field(default_factory=list)
    _number: int = 0
    _loaded: bool = False

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        """The result of a command of the DevTools protocol."""
        self._number += 1
        await self.socket.send_json({"id": self._number, "method": method, "params": given})
        while True:
            told = await self._hear()
            if told.get("id") == self._number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    async def _hear(self) -> dict[str, Any]:
        async with asyncio.timeout(_WITHIN):
            told: dict[str, Any] = await self.socket.receive_json()
        method = told.get("method")
        self._loaded |= method == "Page.loadEventFired"
        if method in {"Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"}:
            self.trouble.append(json.dumps(told["params"]))
        return told

    async def open(self, url: str) -> None:
        """Shows a page, and returns when all of it is loaded."""
        self._loaded = False
        await self.call("Page.navigate", url=url)
        await self.until_loaded()

    async def until_loaded(self) -> None:
        while not self._loaded:
            await self._hear()

    async def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = await self.call("Runtime.evaluate", expression=f"JSON.stringify({expression})", returnByValue=True)
        return json.loads(told["result"].get("value", "null"))

    async def press(self, key: str, text: str = "") -> None:
        """Presses a key, and lets it go."""
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        more = {"text": text} if text else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def submit(self) -> None:
        """Presses Enter, and waits for the page that comes of it."""
        self._loaded = False
        await self.press("Enter", "\r")
        await self.until_loaded()

    async def look(self, *, dark: bool, width: int = 1200, height: int = 900) -> None:
        """How wide the window is, and which colours its user likes."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, *, whole: bool = False) -> bytes:
        """What is seen, as PNG."""
        told = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(told["data"])


@contextlib.asynccontextmanager
async def browsing(directory: Path) -> AsyncIterator[Browser]:
    """A browser for the length of the block; its profile stands in a directory."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *_OPTIONS,
        f"--user-data-dir={directory}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(_WITHIN):
            port = 0
            while not port:
                line = await process.stderr.readline()
                assert line, "the browser has ended"
                found = re.search(rb"listening on ws://127\.0\.0\.1:(\d+)/", line)
                port = int(found[1]) if found else 0
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/json") as listed:
            [tab, *_] = [one for one in await listed.json() if one["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                browser = Browser(socket)
                for domain in ("Page", "Log", "Runtime"):
                    await browser.call(f"{domain}.enable")
                yield browser
        drain.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
