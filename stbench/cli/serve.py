"""Serves a page to this machine only, for browsers that cannot open files."""

from __future__ import annotations

import functools
import webbrowser
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def serve_folder(page: Path, *, open_page: bool) -> None:
    """Serve the folder of ``page`` on a free port of 127.0.0.1 until Ctrl-C; its address is printed."""
    handler = functools.partial(_Quiet, directory=str(page.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}/{page.name}"
        print(f"Serving {address} (Ctrl-C ends it)", flush=True)
        if open_page:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """No line for each request."""
