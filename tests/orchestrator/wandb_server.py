"""A stand-in for the W&B server on the loopback interface, only as strict as its client needs.

It shows that the client is satisfied and what it sent, not that a real server would accept it.
"""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "UHJvag==", "name": "p", "entity": {"id": "e1", "name": "me"}, "internalId": "1"}
VIEWER = {
    "id": "u1",
    "entity": "me",
    "username": "me",
    "email": "me@example.org",
    "admin": False,
    "flags": "{}",
    "teams": {"edges": [{"node": {"name": "me"}}]},
    "apiKeys": {"edges": []},
}


class StandIn(ThreadingHTTPServer):
    """`runs` holds variables of the runs that were made, `streams` the lines sent to each run's files, `views` those
    of the reports. busy: so many more streams are answered with 429, too many requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: list[dict[str, Any]] = []
        self.streams: dict[str, dict[str, list[str]]] = {}
        self.views: list[dict[str, Any]] = []
        self.busy = 0

    @property
    def address(self) -> str:
        """What goes into WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[StandIn]:
    """A stand-in that answers until the block ends."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer({})

    def do_PUT(self) -> None:
        self._body()
        self._answer({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith("/graphql"):
            self._answer({"data": self._query(json.loads(body))})
            return
        if stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
            if self.server.busy:
                self.server.busy -= 1
                self._answer({}, 429)
                return
            files = self.server.streams.setdefault(stream[1], {})
            for name, content in (json.loads(body).get("files") or {}).items():
                files.setdefault(name, []).extend(content["content"])
        self._answer({"exitcode": None, "limits": {}})

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        given = request.get("variables") or {}
        if "upsertBucket" in request["query"]:
            self.server.runs.append(given)
        if "upsertView" in request["query"]:
            self.server.views.append(given)
        uploads = [{"name": name, "uploadUrl": f"{self.server.address}/up"} for name in given.get("files") or []]
        bucket = {
            "id": "b1",
            "name": given.get("name"),
            "displayName": given.get("displayName"),
            "description": None,
            "config": given.get("config") or "{}",
            "sweepName": None,
            "project": PROJECT,
            "historyLineCount": 0,
        }
        return {
            "viewer": VIEWER,
            "serverInfo": {"cliVersionInfo": {"max_cli_version": "99"}, "latestLocalVersionInfo": None, "features": []},
            "upsertBucket": {"bucket": bucket, "inserted": True},
            "model": {"bucket": None},
            "models": {"pageInfo": {"endCursor": None, "hasNextPage": False}, "edges": []},
            "upsertView": {"view": {"id": "dmlldw==", "spec": given.get("spec") or "{}"}, "inserted": True},
            "createRunFiles": {"runID": "b1", "uploadHeaders": [], "files": uploads},
            "__type": {"fields": [], "inputFields": []},
        }

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, content: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
