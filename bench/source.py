"""An API on the loopback that answers each request with the next of some files.

Owns: that server. Must not know: what is in the files, who asks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Source:
    """Counts the requests; after the last file it does not answer, so that a job stays as it is."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self.asked = 0
        self._end = threading.Event()
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                source.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name it has there
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        number, self.asked = self.asked, self.asked + 1
        if number >= len(self._files):
            self._end.wait()
            return
        body = self._files[number].read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Source]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._server.shutdown()
            self._server.server_close()
