"""What `doctor` says of a state in an object store: the promises that it rests on, one sentence each."""

from runner.http.objects.address import ObjectAddress
from runner.journal.state_store import StoreCheck


def store_checks(address: ObjectAddress, *, refused: bool, public: bool | None) -> tuple[StoreCheck, ...]:
    """Return what was found; `refused` is whether an object that exists cannot be created again."""
    return (_conditional(refused=refused), _private(public=public), _encrypted(address), _lasting(address))


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


def _lasting(address: ObjectAddress) -> StoreCheck:
    account = address.bucket.partition("/")[0]
    look = {
        "s3": f"`aws s3api get-bucket-lifecycle-configuration --bucket {address.bucket}`, and the same with "
        "get-object-lock-configuration",
        "gs": f"`gcloud storage buckets describe gs://{address.bucket}`",
        "az": f"`az storage account management-policy show --account-name {account}` with your resource group",
    }[address.scheme]
    return StoreCheck(
        verdict="note",
        seen="Whether a lifecycle rule lets objects of the journal expire, and whether they are locked, is not shown "
        "to the runner's own credentials.",
        next=f"Look once: {look}. No rule may expire what is below {address.key or 'the bucket'}/p/.",
    )
