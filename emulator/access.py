"""Whose key a request carries, and whether it is good."""

import time

from emulator.condition import REFUSES_KEY, Condition
from emulator.contract import ContractError, Row
from emulator.hosting import Hosting
from emulator.job import Account
from emulator.keys import key_digest
from emulator.state import State

_DAY = 24 * 3600.0


class Access:
    """Finds the model of a key. Model keys come first, so no name of a model can turn its key into another's."""

    def __init__(self, hosting: Hosting, state: State, *, key_days: float) -> None:
        self._key_days = key_days
        self._hosting = hosting
        self._state = state
        self._models = {model.key_digest: model.name for model in hosting.models.values()}

    def model_of(self, key: str | None) -> str | None:
        """Return the model a key belongs or belonged to, whatever its condition."""
        if key is None:
            return None
        digest = key_digest(key)
        fetched = self._state.fetched_key(digest)
        return self._models.get(digest) or (fetched[0] if fetched and fetched[0] in self._hosting.models else None)

    def is_account(self, key: str | None) -> bool:
        """Return whether this is the account's secret key."""
        return key is not None and key_digest(key) in self._hosting.account_digests

    def require_model(self, key: str | None) -> Account:
        """Return the model a retrain call may act on.

        Raises:
            ContractError: the key is unknown, expired, or belongs to the account and not to a model.
        """
        name = self.model_of(key)
        if name is None:
            raise ContractError(Row.CREDENTIAL_NOT_FOUND if self.is_account(key) else Row.INVALID_KEY)
        account = self._state.account(name)
        if key is not None and self._is_expired(key_digest(key)):
            raise ContractError(Row.INACTIVE_CREDENTIAL)
        if account.condition in REFUSES_KEY and not self._outlives(account, key):
            raise ContractError(REFUSES_KEY[account.condition])
        return account

    def issue_key(self, model: str) -> tuple[str, float]:
        """Return a new key of the model and the Unix time it is good until."""
        expires = self.lifetime_end()
        while key_digest(key := self._state.issue_key(model, expires=expires)) in self._models:
            continue  # the number makes it look like the own key of a model with such a name
        return key, expires

    def lifetime_end(self) -> float:
        """Return the Unix time until which a key issued now is good."""
        return time.time() + self._key_days * _DAY

    def _is_expired(self, digest: str) -> bool:
        fetched = None if digest in self._models else self._state.fetched_key(digest)
        return fetched is not None and fetched[1] <= time.time()

    def _outlives(self, account: Account, key: str | None) -> bool:
        """A key fetched after the model's keys expired is good again."""
        return account.condition is Condition.KEY_EXPIRED and key is not None and key_digest(key) not in self._models
