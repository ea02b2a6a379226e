"""Who may write to a state in an object store: a lease that its owner renews, and that ends by itself.

Who takes the state makes the next term, an object that only one can make. Its owner rewrites `leases/<run_id>` every
sixth of the lease's life; who comes next compares when the store wrote that with when it wrote an object of his own.
No clock of a machine decides, except how long a machine itself has not renewed, and that clock also counts its sleep.

Safety does not rest on this: two that believe they hold the state meet at the journal, where one of them is refused.
"""

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta

import msgspec

from runner.http.objects.address import ObjectAddress
from runner.http.objects.bucket import Bucket, DoubtfulError, Item
from runner.journal.lock import RENEWALS, Held, Holder, seconds, this_holder
from runner.journal.state_store import StoreCheck

LEASES = "p/0000/leases"
_TERM = "term-"
_CLOCK_NAME = "clock"
_CLOCK = f"{LEASES}/{_CLOCK_NAME}"
_LARGEST = 4096
_ROUNDING = timedelta(seconds=2)  # of two times in whole seconds
_KEPT_TERMS = 8
_TRIES = 8  # to make a term that others make too


class _Seen:
    """The leases as a listing shows them; `now` is when the store wrote an object just before it."""

    def __init__(self, items: list[Item], own: str) -> None:
        self._at = {item.name.rpartition("/")[2]: item.modified for item in items}
        now = self._at.get(own.rpartition("/")[2])
        if now is None:
            raise DoubtfulError(errno.EAGAIN, "the store does not list what was just written")
        self.now = now

    @property
    def terms(self) -> list[int]:
        """Return the numbers of the terms, in order."""
        numbers = [name.removeprefix(_TERM) for name in self._at if name.startswith(_TERM)]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def others(self, run_id: str) -> list[str]:
        """Return the leases of other runs, of whatever age."""
        return [name for name in self._at if name not in (run_id, _CLOCK_NAME) and not name.startswith(_TERM)]

    def is_young(self, run_id: str, life: timedelta) -> bool:
        """Return whether a run has renewed its lease within its life."""
        at = self._at.get(run_id)
        return at is not None and self.now - at <= life + _ROUNDING


class ObjectLease:
    """The right of one run to write, renewed by a separate thread."""

    def __init__(
        self, bucket: Bucket, run_id: str, life: timedelta, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare without asking; `meanwhile` is called when nobody is seen to hold the state, before it is taken."""
        self.where = bucket.address.place
        self.life = life
        self._bucket = bucket
        self._run_id = run_id
        self._meanwhile = meanwhile
        self._name = f"{LEASES}/{run_id}"
        self._content = msgspec.json.encode(this_holder(run_id))
        self._renewed = seconds()
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._seen: _Seen | None = None
        self._term = 0

    def lasts(self) -> bool:
        """Return whether this run has renewed its lease within half of its life, and never let it end."""
        return not self._lost and seconds() - self._renewed < self.life.total_seconds() / 2

    def has_ended(self, run_id: str) -> bool:
        """Return whether another run had no lease any more when this one took the state, which it still holds."""
        return self._seen is not None and self.lasts() and not self._seen.is_young(run_id, self.life)

    def take(self) -> Held | None:
        """Take the state, or return who holds it; raises OSError where the store refuses."""
        for _ in range(_TRIES):
            began = seconds()
            self.renew()
            seen = look_through(self._bucket, self._name)
            term = seen.terms[-1] if seen.terms else 0
            may_be_held = any(seen.is_young(other, self.life) for other in seen.others(self._run_id))
            holder = _owner(self._bucket, term) if term and may_be_held else None
            if holder is not None and holder.run_id != self._run_id and seen.is_young(holder.run_id, self.life):
                return Held(holder=holder)
            self._meanwhile()
            if not self._bucket.create(_term_name(term + 1), self._content):
                continue
            if seconds() - began >= self.life.total_seconds() / 2:
                continue  # what was seen is too old to tell who lives: a later run may hold the state by now
            self._seen, self._term = seen, term + 1
            self._thread.start()
            return None
        return Held(holder=None)

    def renew(self) -> None:
        """Rewrite the lease, unless it has ended meanwhile; raises OSError where the store refuses."""
        began = seconds()
        self._bucket.put(self._name, self._content)
        if self._thread.is_alive() and seconds() - self._renewed >= self.life.total_seconds():
            self._lost = True  # somebody may have taken over: from now on it is theirs
        self._renewed = began

    def _keep(self) -> None:
        tidy = True
        while not self._lost and not self._ended.wait(self.life.total_seconds() / RENEWALS):
            if seconds() - self._renewed >= self.life.total_seconds():
                self._lost = True
                return
            with suppress(OSError):  # it is tried again; `lasts` tells how long it was not renewed
                self.renew()
                if tidy:
                    self._tidy()
                tidy = False

    def _tidy(self) -> None:
        """Remove terms that are over; the last ones stay, for who is just looking at them."""
        for term in look_through(self._bucket, self._name).terms:
            if term <= self._term - _KEPT_TERMS:
                self._bucket.delete(_term_name(term))

    def release(self) -> None:
        """End the lease, so that the next run need not wait for its end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(self.life.total_seconds())
        with suppress(OSError):
            self._bucket.delete(self._name, once=True)  # it ends by itself where that fails


def holder_of(bucket: Bucket, life: timedelta) -> Held | None:
    """Return who holds the state, or None; raises OSError where the store refuses."""
    bucket.put(_CLOCK, b"")
    seen = look_through(bucket, _CLOCK)
    holder = _owner(bucket, seen.terms[-1]) if seen.terms else None
    return Held(holder=holder) if holder is not None and seen.is_young(holder.run_id, life) else None


def look_through(bucket: Bucket, own: str) -> _Seen:
    """Return the leases; `own` was written just before."""
    return _Seen(bucket.list(LEASES), own)


def _term_name(term: int) -> str:
    return f"{LEASES}/{_TERM}{term:012d}"


def _owner(bucket: Bucket, term: int) -> Holder | None:
    """Return whose term it is, or None if that cannot be read; then it is nobody's."""
    try:
        return msgspec.json.decode(bucket.get(_term_name(term), limit=_LARGEST), type=Holder)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def store_checks(
    address: ObjectAddress, *, refused: bool, public: bool | None, head: Mapping[str, str] | None
) -> tuple[StoreCheck, ...]:
    """Return what was found; `refused` is whether an object that exists cannot be created again.

    `head` are the headers of an object of the journal, where the store has such.
    """
    kept = () if head is None else _kept(address, {name.lower(): value for name, value in head.items()})
    return (_conditional(refused=refused), _private(public=public), _encrypted(address), *kept, _lasting(address, head))


def _kept(address: ObjectAddress, head: Mapping[str, str]) -> Iterator[StoreCheck]:
    """Yield whether the store says of an object of the journal that it expires, has versions and is locked."""
    below = f"{address.key}/p/" if address.key else "p/"
    if "x-amz-expiration" in head:
        yield StoreCheck(
            verdict="warning",
            seen="A lifecycle rule of the bucket lets the journal expire; a journal that lost events stops every run.",
            next=f"Leave what is below {below} out of that rule, and out of every rule that removes objects.",
        )
    else:
        yield StoreCheck(verdict="ok", seen="The store names no lifecycle rule by which the journal expires.")
    if head.get("x-amz-version-id", "null") != "null":
        yield StoreCheck(verdict="ok", seen="The bucket keeps older versions of objects, which can be restored.")
    else:
        yield StoreCheck(
            verdict="note",
            seen="The bucket keeps no older versions of objects: what is removed cannot be restored.",
            next="Turn versioning of the bucket on.",
        )
    if "x-amz-object-lock-mode" in head:
        yield StoreCheck(verdict="ok", seen="Objects of the journal are locked when they are written (Object Lock).")


def _conditional(*, refused: bool) -> StoreCheck:
    if refused:
        return StoreCheck(verdict="ok", seen="The store refuses to create an object that exists: one run wins a race.")
    return StoreCheck(
        verdict="problem",
        seen="The store overwrites objects although it is asked not to: two runs could both train.",
        next="Use a store that honours `If-None-Match: *`, or a folder.",
    )


def _private(*, public: bool | None) -> StoreCheck:
    if public:
        return StoreCheck(
            verdict="problem",
            seen="Everybody can read the state, without credentials.",
            next="Take away public access from the bucket.",
        )
    if public is None:
        return StoreCheck(
            verdict="note", seen="Whether everybody can read the state is unknown: the store gave no clear answer."
        )
    return StoreCheck(verdict="ok", seen="The state cannot be read without credentials.")


def _encrypted(address: ObjectAddress) -> StoreCheck:
    if (address.endpoint or "").startswith("http:"):
        return StoreCheck(verdict="note", seen="Requests are not encrypted; they stay on this machine.")
    return StoreCheck(verdict="ok", seen="Requests are encrypted (https).")


def _lasting(address: ObjectAddress, head: Mapping[str, str] | None) -> StoreCheck:
    account = address.bucket.partition("/")[0]
    look = {
        "s3": f"`aws s3api get-bucket-lifecycle-configuration --bucket {address.bucket}`, and the same with "
        "get-object-lock-configuration",
        "gs": f"`gcloud storage buckets describe gs://{address.bucket}`",
        "az": f"`az storage account management-policy show --account-name {account}` with your resource group",
    }[address.scheme]
    unseen = "Other settings of the bucket" if head is not None else "Lifecycle rules, versioning and locks"
    return StoreCheck(
        verdict="note",
        seen=f"{unseen} cannot be asked for with the library in use.",
        next=f"Look once: {look}. No rule may expire what is below {address.key or 'the bucket'}/p/.",
    )
