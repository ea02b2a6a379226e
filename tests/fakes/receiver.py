"""A receiver of notifications and pings on the loopback interface that keeps what arrives."""

import json
import threading
from typing import Any

from tests.fakes.loopback_port import Answer, LoopbackPort, Request


class Receiver:
    """`answer` is what it answers; as long as `holds` is clear it answers nobody."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.answer = Answer(status=200)
        self.holds = threading.Event()
        self.holds.set()
        self._port = LoopbackPort(self._take)
        self.url = self._port.url

    @property
    def chat_url(self) -> str:
        """Return the address in apprise's form."""
        return self.url.replace("http", "json")

    def stop(self) -> None:
        """Close the port; nobody is held any longer."""
        self.holds.set()
        self._port.stop()

    def messages(self, path: str) -> list[dict[str, Any]]:
        """Return the messages that came to a path, in order."""
        return [json.loads(one.body) for one in self.got if one.method == "POST" and one.target == path]

    def pings(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [one.target for one in self.got if one.method == "GET"]

    def _take(self, request: Request) -> Answer:
        self.got.append(request)
        self.holds.wait(60)
        return self.answer
