"""A real HTTP server on this machine that serves a folder with byte ranges, and fails when it is told to."""

from __future__ import annotations

import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class FileServer(ThreadingHTTPServer):
    """Serves the files below a folder.

    Attributes:
        faults: what happens to the next requests for content: a status, "drop" (the connection ends without an answer), "short"
            (it ends in the middle of the content), "cut" (fewer bytes than asked, orderly), "slow" (an answer after `delay`), or ""
            for none.
        every: what happens to all others.
        asked: methods, paths and ranges of the requests so far.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.faults: deque[int | str] = deque()
        self.every: int | str = ""
        self.heads_fail = False
        self.ranges = True
        self.delay = 1.5
        self.asked: list[tuple[str, str, str]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> FileServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        super().__exit__(*error)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are a part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def _answer(self, with_content: bool) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Range", "")))
        fault: int | str = ""
        if with_content or self.server.heads_fail:
            fault = self.server.faults.popleft() if self.server.faults else self.server.every
        if isinstance(fault, int):
            return self._send(fault, b"", with_content)
        if fault == "drop":
            self.close_connection = True
            return None
        if fault == "slow":
            time.sleep(self.server.delay)
        return self._serve(fault, with_content)

    def _serve(self, fault: str, with_content: bool) -> None:
        place = self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if place.is_dir():
            links = "".join(f'<a href="{file.name}">{file.name}</a>' for file in sorted(place.iterdir()))
            return self._send(200, links.encode(), with_content, {"Content-Type": "text/html"})
        if not place.is_file():
            return self._send(404, b"<html>not here</html>", with_content)
        end = place.stat().st_size
        first, last, status, headers = 0, end - 1, 200, {"ETag": f'"{place.stat().st_mtime_ns}"'}
        if (asked := self.headers.get("Range")) and self.server.ranges:
            first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            if first >= end:
                return self._send(416, b"", with_content)
            last, status = min(last, end - 1), 206
            headers["Content-Range"] = f"bytes {first}-{last}/{end}"
        with open(place, "rb") as file:
            file.seek(first)
            content = file.read(last - first + 1)
        if fault == "cut":
            content = content[: len(content) // 2]
        return self._send(status, content, with_content, headers, half=fault == "short")

    def _send(self, status: int, content: bytes, with_content: bool, headers: dict[str, str] | None = None, half: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content[: len(content) // 2] if half else content)
            self.server.sent += len(content)
        self.close_connection |= half

    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""
