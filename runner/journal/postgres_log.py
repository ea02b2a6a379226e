"""The journal in PostgreSQL: a row an event, appended by one statement that looks where the journal ends.

`events_seq` and `events_guard` are unique, so of two writers that believe in the same end one is refused. Where the
answer is lost, the same statement is sent again, and a refusal is settled by reading: rows with the digests that this
writer made are its own. No nonce is needed: an event names its run, its moment and the event before it, so another
writer's event in that place has another digest.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from shlex import quote
from typing import Any

from runner.errors import StateError
from runner.journal.chain import START, Link, Row, line_rows, link, read_chain
from runner.journal.events import Draft
from runner.journal.lock import WITHOUT_IT, Reword
from runner.journal.object_cache import JournalCache, reading
from runner.journal.postgres_database import Database, DatabaseError, DoubtfulError, TakenError
from runner.journal.state_store import GuardTakenError, HeadMovedError

_FIRST_SEQ, _LAST_SEQ = -(2**63), 2**63 - 1  # that a table can hold: a row before the first event is read, and refused
_END = "{} {}"  # of a journal: number and SHA-256 of its last event
_PAGE, _PAGE_BYTES = 1000, 4 * 1024 * 1024  # of events that are asked for at once; one is, whatever its size
_LARGEST_EVENT = 16 * 1024 * 1024  # bytes; a larger one was put there by somebody else, and is read as damaged
_READ = """
SELECT seq, CASE WHEN size <= %(largest)s THEN body END, left(sha256, 100), left(guard, 3000)
FROM (
    SELECT *, octet_length(body) AS size, sum(octet_length(body)) OVER (ORDER BY seq) AS total
    FROM {s}.events WHERE seq >= %(first)s ORDER BY seq LIMIT %(most)s
) AS page
WHERE total <= %(bytes)s OR total = size ORDER BY seq
"""
_DIGESTS = "SELECT seq, sha256 FROM {s}.events WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq"
# The commit is durable, whatever the server's or the role's setting is: the setting ends with the statement.
_APPEND = """
WITH durable AS MATERIALIZED (SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true))
INSERT INTO {s}.events (seq, body, sha256, guard)
SELECT new.*
FROM durable, unnest(%(seqs)s::bigint[], %(bodies)s::bytea[], %(digests)s::text[], %(guards)s::text[]) AS new
WHERE coalesce((SELECT seq || ' ' || sha256 FROM {s}.events ORDER BY seq DESC LIMIT 1), %(start)s) = %(end)s
RETURNING seq
"""


class PostgresLog:
    """An open journal. `cache` is what this machine knows of it, or None if only the database is trusted."""

    def __init__(self, database: Database, cache: JournalCache | None, reword: Reword) -> None:
        self._database = database
        self._cache = cache
        self._reword = reword
        self._head: tuple[int, str] | None = None

    @property
    def head(self) -> tuple[int, str]:
        """Return the number and SHA-256 of the last event, as first read and then written by this object."""
        return self._head or START

    def read(self, after: tuple[int, str] = START) -> Generator[Link]:
        """Yield the events after a mark, each checked against the chain; what is new on this machine is kept there."""
        last = after
        with reading(self._cache):
            for event_link in read_chain(self._rows(after[0]), after):
                if event_link.event.seq > after[0]:
                    last = (event_link.event.seq, event_link.sha256)
                    yield event_link
        if self._head is None:
            self._head = last

    def _rows(self, first: int) -> Iterator[Row]:
        """Yield the rows from a number on: from this machine, and the rest from the database.

        Raises:
            StateError: the database lacks an event that is known, or holds another event in its place.
        """
        known = self._cache.known if self._cache is not None else None
        if self._cache is not None and known is not None and known.events:
            self._require_known(self._cache)
            if known.first <= max(first, 1) <= known.events:
                yield from line_rows(self._cache.lines(max(first, 1)), max(first, 1))
                first = known.events + 1
        yield from self._stored(first or _FIRST_SEQ)

    def _require_known(self, cache: JournalCache) -> None:
        """Raise a StateError where the database lacks the last event that this machine knows, or holds another one."""
        last = next(cache.lines(cache.known.events), b"").removesuffix(b"\n")
        if self.digest(cache.known.events) != hashlib.sha256(last).hexdigest():
            raise StateError(
                f"The journal in {self._database.address.place} is not the one that this machine has read: it lacks "
                f"event {cache.known.events}, or holds another event in its place.",
                hint="Restore the newest backup of the database; nothing is started on a journal that lost its end. "
                f"{WITHOUT_IT} "
                f"Where another journal is there on purpose, remove {quote(str(cache.folder))}.",
            )

    def _stored(self, first: int) -> Iterator[Row]:
        """Yield rows of the database, a page at a time, and keep them on this machine."""
        bounds = {"most": _PAGE, "bytes": _PAGE_BYTES, "largest": _LARGEST_EVENT}
        while page := self._asked(_READ, {"first": first, **bounds}):
            if self._cache is not None and all(row[1] for row in page):
                self._cache.add(page[0][0], [row[1] + b"\n" for row in page], commit=page[0][0], anywhere=True)
            yield from (Row(seq=seq, body=body, sha256=sha256, guard=guard) for seq, body, sha256, guard in page)
            if page[-1][0] == _LAST_SEQ:
                return
            first = page[-1][0] + 1

    def has_events(self) -> bool:
        """Return whether anything was ever written, here or as this machine knows."""
        return bool(self._cache and self._cache.known.events) or bool(self.extent()[0])

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        """Write the drafts by one statement, if the last event is still the one that `head` names."""
        links: list[Link] = []
        seq, prev = self.head
        for draft in drafts:
            links.append(link(draft, seq=seq + 1, prev=prev))
            seq, prev = links[-1].event.seq, links[-1].sha256
        guards = [draft.guard for draft in drafts if draft.guard is not None]
        if len(set(guards)) < len(guards):
            raise GuardTakenError
        if links:
            self._write(links)
            self._head = (seq, prev)
            if self._cache is not None:
                commit = links[0].event.seq
                self._cache.add(commit, [event_link.body + b"\n" for event_link in links], commit=commit)
                self._cache.save()
        return links

    def take_over(self, links: Sequence[Link]) -> None:
        """Write events of another journal by one statement."""
        if links:
            if (links[0].event.seq - 1, links[0].event.prev) != self.head:
                raise HeadMovedError
            self._write(links)
            self._head = (links[-1].event.seq, links[-1].sha256)

    def _write(self, links: Sequence[Link]) -> None:
        first = links[0].event
        parameters = {
            "seqs": [event_link.event.seq for event_link in links],
            "bodies": [event_link.body for event_link in links],
            "digests": [event_link.sha256 for event_link in links],
            "guards": [event_link.event.guard for event_link in links],
            "start": _END.format(*START),
            "end": _END.format(first.seq - 1, first.prev),
        }
        taken = ""
        try:
            if self._database.run(_APPEND, parameters):
                return
        except TakenError as error:
            taken = error.constraint
        except DoubtfulError as error:
            raise _unknown(error) if error.was_sent else self._reword(error) from None
        except DatabaseError as error:
            raise self._reword(error) from None
        if not self._holds(links):
            raise GuardTakenError if taken == "events_guard" else HeadMovedError

    def _holds(self, links: Sequence[Link]) -> bool:
        """Return whether these very events are in the journal: they were written, and the answer was lost."""
        try:
            found = self._database.run(_DIGESTS, {"first": links[0].event.seq, "last": links[-1].event.seq})
        except DatabaseError as error:
            raise _unknown(error) from None
        return found == [(event_link.event.seq, event_link.sha256) for event_link in links]

    def extent(self) -> tuple[int, str]:
        """Return how many events there are now, and the SHA-256 of the first; nothing of it is checked."""
        ((events,),) = self._asked("SELECT coalesce(max(seq), 0) FROM {s}.events", {})
        return int(events), self.digest(1) or ""

    def digest(self, seq: int) -> str | None:
        """Return the SHA-256 that is stored for an event, or None if the event does not exist."""
        if not 0 < seq <= _LAST_SEQ:
            return None
        rows = self._asked("SELECT left(sha256, 100) FROM {s}.events WHERE seq = %(seq)s", {"seq": seq})
        return str(rows[0][0]) if rows else None

    def settle(self) -> None:
        """The database needs no note of its end."""

    def close(self) -> None:
        """Let go of this machine's copy."""
        if self._cache is not None:
            self._cache.close()

    def _asked(self, statement: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        try:
            return self._database.run(statement, parameters)
        except DatabaseError as error:
            raise self._reword(error) from None


def _unknown(error: DatabaseError) -> StateError:
    return StateError(
        f"It is unknown whether the next events were recorded: {error.strerror}.",
        hint="Nothing was sent to the service after that. Run the command again when the database answers; it reads "
        "what arrived.",
    )
