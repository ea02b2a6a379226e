"""An editor as a language server sees it: JSON-RPC over the pipes of one process."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class Editor:
    """One session with a server; `arrived` holds its answers and notifications in their order."""

    server: "subprocess.Popen[bytes]"
    arrived: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    asked: int = 0

    def problems(self, file: Path, text: str) -> list[dict[str, Any]]:
        """Open a document and return what the server finds wrong with it."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._next()
            params: dict[str, Any] = message.get("params") or {}
            if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == file.as_uri():
                found: list[dict[str, Any]] = params["diagnostics"]
                return found

    def at(self, method: str, file: Path, line: int, character: int) -> Any:
        """Ask about a place of an open document; both numbers count from 0."""
        place = {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": character}}
        return self.ask(method, place)

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request and return the result."""
        self.asked += 1
        self._send({"id": self.asked, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self.asked and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        """Return the next message for us; questions of the server are answered with its defaults."""
        while True:
            message = self.arrived.get(timeout=_SECONDS)
            if "id" not in message or "method" not in message:
                return message
            items = (message.get("params") or {}).get("items", [])
            self._send({"id": message["id"], "result": [None for _ in items]})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()


def _read(stream: IO[bytes], arrived: "queue.Queue[dict[str, Any]]") -> None:
    while header := stream.readline():
        if header.lower().startswith(b"content-length:"):
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            arrived.put(json.loads(stream.read(length)))


@contextmanager
def editor(command: Sequence[str], folder: Path) -> Iterator[Editor]:
    """Open an editor on a folder with the server of this command, and end both."""
    with subprocess.Popen([*command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as server:
        assert server.stdout is not None
        session = Editor(server=server)
        reader = threading.Thread(target=_read, args=(server.stdout, session.arrived), daemon=True)
        reader.start()
        try:
            root = {"uri": folder.as_uri(), "name": folder.name}
            session.ask("initialize", {"processId": None, "capabilities": {}, "workspaceFolders": [root]})
            session.tell("initialized", {})
            yield session
        finally:
            server.kill()
            reader.join(_SECONDS)
