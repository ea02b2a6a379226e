"""The hash chain: events to canonical lines and back, each bound to the one before."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from runner.errors import StateError
from runner.journal.events import CandidateEvaluated, Draft, Event, Fact, ResultDownloaded
from runner.journal.forms import Sha256, is_instant, is_model, is_result_path, is_run_id
from runner.lib.canonical_json import canonical_bytes
from runner.manifest.model import POLICY_TYPES
from runner.policy.evaluation import RecordedPolicy


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts."""


class _Baseline(_Part, frozen=True, kw_only=True):
    retrain_job_id: str | None
    source: Literal["measured", "stated", "result_file"]
    metrics: Mapping[str, str]
    eval_sha256: Sha256 | None


class _Policy(Struct, frozen=True, kw_only=True):
    """Of a policy, what is shown without reading all of it."""

    type: str
    rules: tuple[Mapping[str, object], ...] = ()


class _Inputs(_Part, frozen=True, kw_only=True):
    policy: _Policy
    definitions: Mapping[str, Mapping[str, object]]
    baseline: _Baseline | None
    eval_sha256: Sha256 | None
    drift: Literal["in_sync", "changed_outside", "cannot_be_told"]
    place_before: str | None


with suppress(msgspec.ValidationError):  # msgspec learns a form at its first use, which two threads must not do at once
    msgspec.convert({}, _Inputs)


def payload_problem(fact: Fact) -> str | None:
    """Return what is wrong with the open part of a fact, the inputs of a decision, or None."""
    if not isinstance(fact, CandidateEvaluated):
        return None
    try:
        policy = msgspec.convert(fact.inputs, _Inputs).policy
    except (msgspec.ValidationError, RecursionError):
        return "its part 'inputs' has another form than what a run writes"
    if policy.type not in POLICY_TYPES:
        return "its part 'inputs' has a policy of a type that this version does not know"
    if len(policy.rules) != len(fact.evaluation.rules):
        return "its part 'evaluation' has another number of rules than its policy"
    return None


class SharedParts:
    """Parts of the events of one reading. Equal ones, by their very text, become one object that nobody changes."""

    def __init__(self) -> None:
        self._known: dict[bytes, RecordedPolicy] = {}

    def shared(self, event: Event) -> Event:
        """Return the event; what it has in common with earlier events is shared in memory."""
        if isinstance(event.fact, CandidateEvaluated):
            self.share(event.fact)
        return event

    def share(self, fact: CandidateEvaluated) -> None:
        """Do the same with the fact alone."""
        if "policy" in fact.inputs:  # else it was made up; that is judged elsewhere
            policy = fact.inputs["policy"]
            with suppress(RecursionError):  # as is one that is nested so deeply
                fact.inputs["policy"] = self._known.setdefault(msgspec.json.encode(policy), policy)


GENESIS = "0" * 64
START = (0, GENESIS)  # before the first event: where a reading of the whole journal begins
_SHOWN = 100  # characters of a value in a message
_DECODER = msgspec.json.Decoder(Event)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its stored bytes and their SHA-256 in lower-case hex."""

    event: Event
    body: bytes
    sha256: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a store gives it back, not yet believed; a damaged store may give any type."""

    seq: int
    body: bytes
    sha256: str
    guard: str | None


def link(draft: Draft, *, seq: int, prev: str) -> Link:
    """Give a draft its place in the chain. Lone surrogates, which have no UTF-8 form, are written as their escapes."""
    event = Event(
        seq=seq, at=draft.at, run_id=draft.run_id, model=draft.model, guard=draft.guard, prev=prev, fact=draft.fact
    )
    value = msgspec.to_builtins(event)
    try:
        body = canonical_bytes(value)
    except ValueError:
        body = canonical_bytes(_escaped(value))
    return Link(event=_written(body, draft), body=body, sha256=hashlib.sha256(body).hexdigest())


def _written(body: bytes, draft: Draft) -> Event:
    """Return the event as it will be read back: what a reader would refuse is not written."""
    try:
        event = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _unwritable(draft, str(error)) from None
    what = EventCheck().misfit(event)
    if what is not None:
        raise _unwritable(draft, what)
    return event


def _unwritable(draft: Draft, why: str) -> StateError:
    return StateError(
        f"An event {draft.fact.__struct_config__.tag} of {draft.model or draft.run_id} cannot be recorded: {why}.",
        hint="Nothing of it was written. Report this; the runs before it are not affected.",
    )


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list | tuple) else value


def read_chain(rows: Iterable[Row], since: tuple[int, str] = START) -> Iterator[Link]:
    """Yield the events of the stored rows in order.

    The rows begin with the event whose number and SHA-256 `since` has, and that event is yielded too.

    Raises:
        StateError: an event does not decode, is out of order, does not follow the one before it, or is not what its
            digest and guard say, or names what no run would; or the first is another one than `since` says. The message
            names its place.
    """
    first, mark = since
    prev, parts, check = GENESIS if first == 0 else None, SharedParts(), EventCheck()
    for seq, row in enumerate(rows, start=max(first, 1)):
        sha256 = _digest(row.body, seq)
        event = _decode(row.body, seq)
        if sha256 != row.sha256 or event.guard != row.guard:
            raise broken(seq, "its bytes do not match its digest")
        if event.seq != seq or row.seq != seq or prev not in (None, event.prev):
            raise broken(seq, "it does not follow the event before it")
        if prev is None and sha256 != mark:
            raise broken(seq, "it is not the event that was read there before")
        if (what := check.misfit(event)) is not None:
            raise broken(seq, what)
        prev = sha256
        yield Link(event=parts.shared(event), body=row.body, sha256=sha256)
    if prev is None:
        raise broken(first, "it is missing")


class EventCheck:
    """Says what of the events of one reading does not have the form it must have; facts are checked as they decode."""

    def __init__(self) -> None:
        self._runs: set[str] = set()
        self._guards: set[str] = set()
        self._models: set[str | None] = {None}

    def misfit(self, event: Event) -> str | None:
        """Return what is wrong with the names in an event, or None."""
        if event.run_id not in self._runs:
            if not is_run_id(event.run_id):
                return f"{event.run_id[:_SHOWN]!a} is not the id of a run"
            self._runs.add(event.run_id)
        if event.model not in self._models:
            if event.model is None or not is_model(event.model):
                return f"{str(event.model)[:_SHOWN]!a} is not the name of a model"
            self._models.add(event.model)
        if event.guard is not None:
            if event.guard in self._guards:
                return "what it says may happen once is said by an event before it"
            self._guards.add(event.guard)
        if not is_instant(event.at):
            return f"{event.at[:_SHOWN]!a} is not a time"
        fact = event.fact
        if isinstance(fact, ResultDownloaded) and not is_result_path(fact.path, event.run_id, event.model):
            return f"{fact.path[:_SHOWN]!a} is not where its run stores a result"
        return payload_problem(fact)


def read_lines(lines: Iterable[bytes]) -> Iterator[Link]:
    """Yield the events of a whole journal written as lines, each its bytes and a line's end.

    Raises:
        StateError: as `read_chain`; or the last line has no end.
    """
    return read_chain(line_rows(lines, 1))


def line_rows(lines: Iterable[bytes], first: int) -> Iterator[Row]:
    """Yield lines as rows, the first of them with that number; raises StateError where a line is not an event."""
    for seq, line in enumerate(lines, start=first):
        body = line.removesuffix(b"\n")
        if body == line:
            raise broken(seq, "its line has no end")
        yield Row(seq=seq, body=body, sha256=_digest(body, seq), guard=_decode(body, seq).guard)


def _digest(body: object, seq: int) -> str:
    if not isinstance(body, bytes):
        raise broken(seq, "it is not an event this version can read")
    return hashlib.sha256(body).hexdigest()


def _decode(body: bytes, seq: int) -> Event:
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise broken(seq, "it is not an event this version can read") from None


def broken(seq: int, why: str) -> StateError:
    """Return the error that names the first event that cannot be believed."""
    return StateError(
        f"The journal was changed or damaged at event {seq}: {why}.",
        hint="Restore the state folder from a copy made before that, and keep the damaged one for the audit.",
    )


_BLOCK = 1000  # events; more are packed no smaller
_FASTEST = 1
_EVENT = msgspec.json.Decoder(Event)
_BODIES = msgspec.msgpack.Decoder(list[bytes])


class EventBuffer:
    """Links in their order, as they were given; each going through them unpacks and decodes them again.

    What an event decodes to takes ten times the memory of its bytes, so of a large journal that is never kept whole.
    """

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self._blocks: list[bytes] = []
        self._open: list[bytes] = []
        self.head_sha256 = ""  # of the last event
        for link in links:
            self.append(link)

    def append(self, link: Link) -> None:
        """Keep the next link."""
        self.head_sha256 = link.sha256
        self._open.append(link.body)
        if len(self._open) == _BLOCK:
            self._blocks.append(zlib.compress(msgspec.msgpack.encode(self._open), _FASTEST))
            self._open = []

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._open)

    def __iter__(self) -> Iterator[Link]:
        parts = SharedParts()
        for body in self.bodies():
            event = parts.shared(_EVENT.decode(body))
            yield Link(event=event, body=body, sha256=hashlib.sha256(body).hexdigest())

    def events(self) -> Iterator[Event]:
        """Yield each event."""
        return map(_EVENT.decode, self.bodies())

    def bodies(self) -> Iterator[bytes]:
        """Yield each event's stored bytes."""
        for block in self._blocks:
            yield from _BODIES.decode(zlib.decompress(block))
        yield from self._open

    def digests(self) -> Iterator[str]:
        """Yield the SHA-256 of each event."""
        return (hashlib.sha256(body).hexdigest() for body in self.bodies())
