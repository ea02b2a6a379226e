"""The two-port service behind raw ports, with faults at chosen calls; and the way connections are led there.

A call is known on both sides: the client's thread names it before it resolves the host, so that even a connection that
is never made is the fault of one call; the server knows it by its key or its job.
"""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import trustme

from tests.fakes.loopback_port import Answer, Request
from tests.fakes.two_port_records import Call, Port
from tests.fakes.two_port_service import TwoPortService
from tests.stress.fault_kinds import ECHO, Kind, Operation
from tests.stress.fault_port import RawPort, Wire, closed_port, full_port

EVERY: Literal[0] = 0  # the index of a fault that meets every such call
_PRETENDED = Answer(status=200, body=b"{}")
Index = Literal[0, 1, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind at the index-th call of an operation; `done`: the call's effect takes place before it."""

    kind: Kind
    operation: Operation
    index: Index
    done: bool

    def __str__(self) -> str:
        which = "every" if self.index == EVERY else str(self.index)
        return f"{self.kind.name}:{self.operation}:{which}:{'done' if self.done else 'undone'}"


@dataclass(slots=True, kw_only=True)
class Plan:
    """The faults of one model's calls, and how far its calls have come. `met` are the faults that took place."""

    faults: tuple[Fault, ...]
    counts: Counter[str] = field(default_factory=Counter)
    current: dict[str, Fault | None] = field(default_factory=dict)
    met: list[Fault] = field(default_factory=list)
    healthy: bool = False

    def begin(self, operation: str) -> Fault | None:
        """Count a call that is about to be made and return its fault."""
        self.counts[operation] += 1
        here = None if self.healthy else self._at(operation, self.counts[operation])
        self.current[operation] = here
        if here is not None:
            self.met.append(here)
        return here

    def _at(self, operation: str, number: int) -> Fault | None:
        return next(
            (fault for fault in self.faults if fault.operation == operation and fault.index in (EVERY, number)), None
        )


class FaultService(TwoPortService):
    """The whole service; `plans` say by the model's name what goes wrong. Close it at the end."""

    def __init__(self, *, certificates: Path | None = None) -> None:
        super().__init__()
        self.plans: dict[str, Plan] = {}
        self.account_keys: dict[str, str] = {}  # an account's secret key for each model, with the model's name
        self.redirected: list[bytes] = []  # what came to the host that redirects lead to
        self._ports = ExitStack()
        self._scheme = "https" if certificates else "http"
        tls = None if certificates is None else _server_context(certificates / "good.pem")
        self._raw_api = self._open(partial(self._serve, "api"), tls)
        self._raw_store = self._open(partial(self._serve, "store"), tls)
        self.elsewhere = self._open(self._note_redirected, None)
        self.routes: dict[str, int] = {
            "closed": self._ports.enter_context(closed_port()),
            "full": self._ports.enter_context(full_port()),
            "resetting": self._open(lambda wire: wire.reset(), None).number,
            "hanging-up": self._open(lambda _wire: None, None).number,
            "silent": self._open(lambda wire: wire.wait(3600), None).number,
            "plain": self._open(lambda wire: wire.answer(_PRETENDED), None).number,
        }
        for name in ("untrusted", "another-name", "expired") if certificates else ():
            context = _server_context(certificates / f"{name}.pem") if certificates else None
            self.routes[name] = self._open(lambda wire: wire.answer(_PRETENDED), context).number

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._raw_api.number}"

    @property
    def store_url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._raw_store.number}"

    @property
    def errors(self) -> list[BaseException]:
        return [*super().errors, *self._raw_api.errors, *self._raw_store.errors]

    def close(self) -> None:
        self._ports.close()
        super().close()

    def _owner_by_key(self, key: str) -> str:
        return self.account_keys.get(key) or super()._owner_by_key(key)

    def _open(self, behave: Callable[[Wire], None], tls: ssl.SSLContext | None) -> RawPort:
        port = RawPort(behave=behave, tls=tls)
        self._ports.callback(port.close)
        return port

    def _note_redirected(self, wire: Wire) -> None:
        request = wire.read_head()
        if request is not None and request.header("x-api-key"):
            self.redirected.append(repr(request).encode())

    def _serve(self, port: Port, wire: Wire) -> None:
        head = wire.read_head()
        if head is None:
            return
        call = self._seen(port, head)
        plan = self.plans.get(call.owner)
        fault = None if plan is None else plan.current.get(call.name)
        if fault is None:
            wire.answer(self._done(call, wire.read_body(head)))
            return
        wire.words = {ECHO: f"{head.header('x-api-key')} {head.target}", "{port}": str(self.elsewhere.number)}
        answer = _PRETENDED
        if fault.kind.claims != "cut":
            request = wire.read_body(head)
            answer = self._done(call, request) if fault.done else _PRETENDED
        if answer.status != 200:
            wire.answer(answer)  # the call was refused, so that no kind may claim its effect
        else:
            fault.kind.act(wire, answer)

    def _done(self, call: Call, request: Request) -> Answer:
        """Let a call have its effect, as strictly as ever, and return the ordinary answer."""
        if request.header("x-api-key") in self.account_keys:
            return self._account(call)
        model = self.models.get(call.owner)
        refusal = self._refusal(call, model, request)
        if model is None or refusal is not None:
            return refusal or _PRETENDED
        return self._effect(call, model, request)


class Resolver:
    """Leads each call's connection to where its fault says; replaces `socket.getaddrinfo` while it is in use."""

    def __init__(self, service: FaultService) -> None:
        self._service = service
        self._real = socket.getaddrinfo
        self._here = threading.local()

    @contextmanager
    def calling(self, owner: str, operation: Operation) -> Iterator[None]:
        """Say which call this thread makes now."""
        plan = self._service.plans.get(owner)
        self._here.fault = plan.begin(operation) if plan else None
        try:
            yield
        finally:
            self._here.fault = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Take the place of the real resolver."""
        with mock.patch.object(socket, "getaddrinfo", self._resolve):
            yield

    def _resolve(self, host: str, port: int, *arguments: Any, **named: Any) -> Any:
        fault: Fault | None = getattr(self._here, "fault", None)
        route = None if fault is None else fault.kind.route
        if route == "unresolvable":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        where = port if route is None else self._service.routes[route]
        return self._real(host, where, *arguments, **named)


def make_certificates(folder: Path) -> Path:
    """Write a good certificate for 127.0.0.1, three bad ones, and `trusted.pem` with the authority; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    trusted, unknown = trustme.CA(), trustme.CA()
    past = datetime.now(UTC) - timedelta(days=1)
    for name, issued in {
        "good": trusted.issue_cert("127.0.0.1"),
        "untrusted": unknown.issue_cert("127.0.0.1"),
        "another-name": trusted.issue_cert("elsewhere.test"),
        "expired": trusted.issue_cert("127.0.0.1", not_after=past),
    }.items():
        parts = [issued.private_key_pem, *issued.cert_chain_pems]
        (folder / f"{name}.pem").write_bytes(b"".join(part.bytes() for part in parts))
    trusted.cert_pem.write_to_path(str(folder / "trusted.pem"))
    return folder


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
