"""Every answer, handed to who keeps it; the hint about one that is not understood says where it is."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runner.http.request import Broken
from runner.http.response_body import Answer
from runner.lib.secrets import Redactor
from runner.providers.base import Done, Effect, Rejected, ServiceError, Unknown
from runner.providers.kept_answers import AnswerKeeper, Call, kept_answer
from runner.providers.prediction_one.facts import FACTS

T = TypeVar("T")


class AnswerNotes(Struct, frozen=True, kw_only=True):
    """What a client notes of its answers; without a keeper nothing."""

    keeper: AnswerKeeper | None
    redactor: Redactor

    def read(self, call: Call, path: str, answer: Answer | Broken, reader: Callable[[], T]) -> T:
        """Return what is read of an answer, and keep the answer; an error about one says where it is.

        Raises:
            ServiceError: that of the reader.
        """
        try:
            read = reader()
        except ServiceError as error:
            self._keep(call, "GET", path, answer, understood=error.understood)
            if error.understood:
                raise
            raise error.with_texts(error.message, self._with_place(error.hint)) from None
        self._keep(call, "GET", path, answer, understood=True)
        return read

    def effect(self, call: Call, path: str, answer: Answer | Broken, effect: Effect) -> Effect:
        """Return the effect, and keep its answer."""
        unclear = isinstance(effect, Unknown) or (isinstance(effect, Rejected) and effect.reason != "documented")
        understood = isinstance(answer, Broken) or not unclear
        self._keep(call, "PUT", path, answer, understood=understood)
        return effect if understood or isinstance(effect, Done) else replace(effect, hint=self._with_place(effect.hint))

    def _with_place(self, hint: str) -> str:
        place = self.keeper.place if self.keeper is not None else None
        return f"{hint} The whole answer is in {place}." if place else hint

    def _keep(self, call: Call, method: str, path: str, answer: Answer | Broken, *, understood: bool) -> None:
        if self.keeper is None:
            return
        told = answer if isinstance(answer, Answer) else None
        self.keeper.keep(
            kept_answer(
                self.redactor,
                call=call,
                method=method,
                host=answer.host,
                path=f"{FACTS.base_path}{path}" if path else "",
                status=told.status if told else None,
                headers=told.headers if told else {},
                body=told.body if told else b"",
                understood=understood,
                error=answer.cause if isinstance(answer, Broken) else "",
            )
        )
