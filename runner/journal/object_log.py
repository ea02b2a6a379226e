"""The journal in an object store: one object a commit, named by its first event's number and created only once.

That name is the whole guard. Who appends has read the journal to its head, so the next commit of each writer has the
same name, and the store lets one of them make it. A guard of an event needs no index of its own: the one chain has one
writer at a time, who knows all guards before its head.

A commit holds the very lines of `journal.jsonl` and a last line with a nonce. Where no answer comes, the same bytes are
sent again, and "it exists" is settled by reading: equal bytes are this writer's own, as nobody else has the nonce.
"""

import re
import secrets
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from msgspec import Struct

from runner.errors import StateError
from runner.http.objects.bucket import Bucket, Item
from runner.journal.chain import START, Link, broken, line_rows, link, read_chain
from runner.journal.events import Draft
from runner.journal.lock import WITHOUT_IT, Reword
from runner.journal.object_cache import (
    PACKS,
    JournalCache,
    Pack,
    chosen,
    end_of,
    fetch_pack,
    reading,
    unpacked,
    write_pack,
)
from runner.journal.state_store import GuardTakenError, HeadMovedError
from runner.lib.parallel import map_in_threads

JOURNAL = "p/0000/journal"
_LARGEST_COMMIT = 64 * 1024 * 1024
_NONCE = re.compile(rb'\{"nonce":"[0-9a-f]{32}"\}\n')
_SEEN_BEFORE = 500  # events; a commit has fewer, so the one that holds an event is among those that begin so near
_THREADS = 16
_WINDOW = 64  # objects that are fetched ahead
_UNPACKED = 50  # commits that a run leaves as they are, and events after which it looks
_FULL_PACK = 200_000  # events


class Snapshot(Struct):
    """What was seen of a journal: the commits from an event on, and files of the checkpoint where they are remembered.

    `compared` is the last commit that was fetched from the store, or compared with it, and that this machine has.
    """

    listed: tuple[int, list[Item]] | None = None
    compared: int = 0
    files: dict[str, bytes] = {}


def snapshot_from(bucket: Bucket, commit: int) -> Snapshot:
    """Return what is seen from a known commit on, 0 for none; nothing where the commits are very many."""
    if commit:
        return Snapshot(listed=(commit, _commits_among(bucket.list(JOURNAL, f"{commit - 1:017d}"))))
    items, whole = bucket.first_page(JOURNAL)
    return Snapshot(listed=(1, _commits_among(items)) if whole else None)


class ObjectLog:
    """An open journal. `cache` is what this machine knows of it, or None if only the store is trusted.

    Readers that share a `snapshot` see the same journal, and ask for nothing of it twice.
    """

    def __init__(
        self, bucket: Bucket, cache: JournalCache | None, reword: Reword, snapshot: Snapshot | None = None
    ) -> None:
        self._bucket = bucket
        self._cache = cache
        self._reword = reword
        self._head: tuple[int, str] | None = None
        self._commit = 0  # the number of the first event of the last commit, as read and written by this object
        self._guards: set[str] = set()
        self._mark = 0  # events up to this one were not read; their guards are looked up when one is written
        self._appended = 0  # events
        self._snapshot = snapshot or Snapshot()

    @property
    def head(self) -> tuple[int, str]:
        """Return the number and SHA-256 of the last event, as first read and then written by this object."""
        return self._head or START

    def read(self, after: tuple[int, str] = START) -> Generator[Link]:
        """Yield the events after a mark, each checked against the chain; what is new on this machine is kept there."""
        last, guards = after, set[str]()
        with reading(self._cache):
            for event_link in read_chain(line_rows(self._lines(after[0]), max(after[0], 1)), after):
                event = event_link.event
                last = (event.seq, event_link.sha256)
                if event.seq > after[0]:
                    if event.guard is not None:
                        guards.add(event.guard)
                    yield event_link
        if self._head is None:
            self._head, self._guards, self._mark = last, guards, after[0]

    def has_events(self) -> bool:
        """Return whether anything was ever written.

        Raises:
            StateError: the store cannot be asked.
        """
        try:
            return bool(self._cache and self._cache.known.events) or self._has_commits()
        except OSError as error:
            raise self._reword(error) from None

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        """Write the drafts as one commit, if the last event is still the one that `head` names."""
        guards = [draft.guard for draft in drafts if draft.guard is not None]
        if guards and self._mark:
            self._guards |= set(self._older_guards())
            self._mark = 0
        if len(set(guards)) < len(guards) or not self._guards.isdisjoint(guards):
            raise GuardTakenError
        links: list[Link] = []
        seq, prev = self.head
        for draft in drafts:
            links.append(link(draft, seq=seq + 1, prev=prev))
            seq, prev = links[-1].event.seq, links[-1].sha256
        if links:
            self._write(links)
            self._head, self._commit = (seq, prev), links[0].event.seq
            self._guards |= set(guards)
        return links

    def _write(self, links: Sequence[Link]) -> None:
        lines, commit = [event_link.body + b"\n" for event_link in links], links[0].event.seq
        try:
            ours = self._bucket.create(commit_name(commit), commit_content(lines))
        except OSError as error:
            raise StateError(
                f"It is unknown whether the next events were recorded: {error.strerror}.",
                hint="Nothing was sent to the service after that. Run the command again when the store answers; it "
                "reads what arrived.",
            ) from None
        if not ours:
            raise HeadMovedError
        self._appended += len(links)
        self._snapshot.listed = None
        if self._cache is not None:
            self._cache.add(commit, lines, commit=commit)
            self._cache.save()

    def take_over(self, links: Sequence[Link]) -> None:
        """Write events of another journal as one commit."""
        if links:
            if (links[0].event.seq - 1, links[0].event.prev) != self.head:
                raise HeadMovedError
            self._write(links)
            self._head, self._commit = (links[-1].event.seq, links[-1].sha256), links[0].event.seq

    def _older_guards(self) -> Iterator[str]:
        for row in line_rows((line for line in self._lines(0) if b'"guard":"' in line), 1):
            if row.guard is not None:
                yield row.guard

    def extent(self) -> tuple[int, str]:
        """Return how many events there are now, and the SHA-256 of the first; nothing of it is checked."""
        known, self._snapshot.listed = self.head[0], None
        if self._cache is not None and 0 < known == self._cache.known.events and self._is_at_end():
            return known, self.digest(1) or ""
        seen = sum(1 for _ in self._lines(known))
        return (known - 1 + seen if known else seen), self.digest(1) or ""

    def _is_at_end(self) -> bool:
        """Return whether no commit follows those that this machine knows."""
        try:
            return self._cache is not None and len(self._commits(self._cache.known.commit)) == 1
        except OSError as error:
            raise self._reword(error) from None

    def digest(self, seq: int) -> str | None:
        """Return the SHA-256 that is stored for an event, or None if the event does not exist."""
        if seq < 1 or seq >= 10**17:
            return None
        cache = self._cache  # whose end each reading compares with the store's
        kept = cache is not None and cache.known.first <= seq <= cache.known.events
        lines = cache.lines(seq) if cache is not None and kept else self._lines(seq)
        row = next(iter(line_rows(lines, seq)), None)
        return None if row is None else row.sha256

    def settle(self) -> None:
        """The store needs no note of its end; this machine's own is kept with each commit."""

    def close(self) -> None:
        """Pack what many commits hold, and let go of this machine's copy."""
        before = self.head[0] - self._appended
        if self._appended and before // _UNPACKED != self.head[0] // _UNPACKED:
            with suppress(OSError, StateError):  # packs are derived; the next run makes them
                self.pack(least=_UNPACKED)
        if self._cache is not None:
            self._cache.close()

    def pack(self, *, least: int) -> int:
        """Pack the commits after the last full pack where at least `least` are in none; return how many events.

        Raises:
            OSError: the store refuses it.
            StateError: the journal cannot be read.
        """
        packs = chosen(self._bucket.list(PACKS))
        items = self._commits(packs[-1].commit if packs else 1)
        loose = [_number(item) for item in items if _number(item) > end_of(packs)]
        if len(loose) < max(least, 1):
            return 0
        full = [pack for pack in packs if pack.events >= _FULL_PACK]
        first = end_of(full) + 1
        last = loose[-1] + len(self._lines_of(items[-1])) - 1
        lines = islice(self._lines(first), last - first + 1)
        pack = Pack(first=first, commit=loose[-1], last=last)
        write_pack(self._bucket, pack, lines)
        return pack.events

    def _has_commits(self) -> bool:
        """Return whether there is a commit; where they are few, all of them are known then."""
        self._snapshot.listed = snapshot_from(self._bucket, 0).listed
        return self._snapshot.listed is None or bool(self._snapshot.listed[1])

    def _commits(self, start: int) -> list[Item]:
        """Return the objects of the commits that begin with that event or later, as first listed."""
        if self._snapshot.listed is None or self._snapshot.listed[0] > start:
            self._snapshot.listed = (start, _commits_among(self._bucket.list(JOURNAL, f"{start - 1:017d}")))
        return [item for item in self._snapshot.listed[1] if _number(item) >= start]

    def _lines(self, first: int) -> Iterator[bytes]:
        """Yield the lines from an event on, from this machine, from packs, and the rest from the commits.

        Raises:
            StateError: the store lacks a commit that is known, holds another one in its place, or cannot be read.
        """
        try:
            yield from self._found(max(first, 1))
        except OSError as error:
            raise self._reword(error) from None

    def _found(self, first: int) -> Iterator[bytes]:
        known = self._cache.known if self._cache is not None else None
        if known is not None and self._cache is not None and known.first <= first and known.events:
            if self._appended and known.events == self.head[0]:  # it has read and written all of it itself
                yield from self._cache.lines(first)
                return
            yield from self._continued(first, known.commit, self._cache.lines(min(first, known.commit)))
            return
        if known is not None and known.events:
            self._from_commit(known.commit)  # what this machine knows of the end counts also where it begins later
        if first == 1:
            packs = [] if self._is_short() else chosen(self._bucket.list(PACKS))
            yield from self._continued(1, packs[-1].commit if packs else 0, self._unpacked(packs))
        else:
            near = self._commits(max(first - _SEEN_BEFORE, 1))
            if not near or _number(near[0]) > first:
                near = self._commits(1)
            before = [item for item in near if _number(item) <= first]
            yield from self._tail(before[-1:] + near[len(before) :], first)

    def _is_short(self) -> bool:
        """Return whether the commits are few, so that it does not matter whether there are packs."""
        if self._snapshot.listed is None:
            self._has_commits()
        listed = self._snapshot.listed
        return listed is not None and listed[0] == 1 and len(listed[1]) < _UNPACKED

    def _unpacked(self, packs: Sequence[Pack]) -> Iterator[bytes]:
        """Yield the lines of packs, and keep them on this machine."""
        for begin in range(0, len(packs), _WINDOW):
            window = packs[begin : begin + _WINDOW]
            contents = map_in_threads(lambda pack: fetch_pack(self._bucket, pack), window, _THREADS)
            for pack, content in zip(window, contents, strict=True):
                lines = list(unpacked(pack, content))
                if self._cache is not None:
                    self._cache.add(pack.first, lines, commit=pack.commit)
                yield from lines

    def _continued(self, first: int, commit: int, known: Iterable[bytes]) -> Iterator[bytes]:
        """Yield known lines up to the end of the commit `commit`, which the store must show too, and what follows it.

        The known lines begin with `first`, or with that commit if it begins earlier.
        """
        items = self._from_commit(commit)
        if commit == 0:
            yield from self._tail(items, first)
            return
        compared = commit == self._snapshot.compared
        ahead = items[compared:_WINDOW]
        contents = map_in_threads(self._lines_of, ahead, _THREADS)
        stored, seq = [] if compared else contents[0], min(first, commit)
        for line in known:
            if seq >= first:
                yield line
            if seq >= commit and not compared and stored[seq - commit : seq - commit + 1] != [line]:
                raise self._other(seq)
            seq += 1
        if not compared and seq - commit != len(stored):
            raise self._other(seq)
        self._snapshot.compared = commit
        yield from self._kept(ahead[not compared :], contents[not compared :], first)
        yield from self._tail(items[_WINDOW:], first)

    def _from_commit(self, commit: int) -> list[Item]:
        """Return the objects from a commit on that is known; raises a StateError where the store has lost it."""
        items = self._commits(max(commit, 1))
        if commit and (not items or _number(items[0]) != commit):
            raise StateError(
                f"The journal in {self._bucket.address.place} has lost its end: it once held event {commit}.",
                hint="Restore the objects that were removed or have expired, for example from their older versions; "
                f"nothing is started on a journal that lost its end. {WITHOUT_IT}",
            )
        return items

    def _other(self, seq: int) -> StateError:
        return StateError(
            f"Event {seq} of the journal in {self._bucket.address.place} differs from what was read before.",
            hint="Another journal was put in its place, or a pack was damaged: packs are derived and may be removed. "
            "Restore the older versions of the objects, or look for what wrote there.",
        )

    def _tail(self, items: Sequence[Item], first: int) -> Iterator[bytes]:
        """Yield the lines of commits from an event on, and keep them on this machine."""
        for begin in range(0, len(items), _WINDOW):
            window = items[begin : begin + _WINDOW]
            yield from self._kept(window, map_in_threads(self._lines_of, window, _THREADS), first)

    def _kept(self, items: Sequence[Item], contents: Sequence[list[bytes]], first: int) -> Iterator[bytes]:
        """Yield the lines of commits that were fetched from an event on; all are kept, however many are taken."""
        for item, lines in zip(items, contents, strict=True):
            if self._cache is not None:
                self._cache.add(_number(item), lines, commit=_number(item), anywhere=True)
                if self._cache.known.commit == _number(item):
                    self._snapshot.compared = _number(item)
        for item, lines in zip(items, contents, strict=True):
            yield from lines[max(first - _number(item), 0) :]

    def _lines_of(self, item: Item) -> list[bytes]:
        """Return the lines of a commit without its nonce."""
        content = self._bucket.get(item.name, limit=_LARGEST_COMMIT)
        *lines, nonce = content.splitlines(keepends=True) or [b""]
        if not lines or _NONCE.fullmatch(nonce) is None:
            raise broken(_number(item), "its object is not a commit")
        return lines


def commit_name(seq: int) -> str:
    """Return the name of the object of the commit that begins with an event."""
    return f"{JOURNAL}/{seq:017d}"


def commit_content(lines: Iterable[bytes], nonce: str = "") -> bytes:
    """Return a commit's bytes: the lines, and a nonce that no other writer has."""
    return b"".join([*lines, b'{"nonce":"%s"}\n' % (nonce or secrets.token_hex(16)).encode()])


def _commits_among(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if re.fullmatch(r"[0-9]{17}", _base(item))]


def _base(item: Item) -> str:
    return item.name.rpartition("/")[2]


def _number(item: Item) -> int:
    return int(_base(item))
