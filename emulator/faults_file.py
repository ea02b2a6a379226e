"""The reader of `--faults FILE`: a YAML list of rules, checked strictly, with the place of each problem."""

import difflib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from emulator.faults import ONLY_FOR, TIMED, Call, FaultKind, Faults, Rule
from runner.errors import UsageError
from runner.lib.atomic_files import open_file

_LARGEST_FILE = 1 << 20
_LONGEST_SECONDS = 86_400.0
_KEYS = ("call", "model", "kind", "nth", "every", "after", "seconds")
_WHEN = ("nth", "every", "after")

Word = TypeVar("Word", bound=StrEnum)


def read_faults(file: Path, models: Sequence[str]) -> Faults:
    """Return the rules of a faults file; `models` are the names a rule may use.

    Raises:
        UsageError: the file cannot be read, is no YAML list, or a rule is wrong; the message names line and column.
    """
    root = _compose(file)
    if not isinstance(root, SequenceNode):
        raise UsageError(f"{file}:1:1: a faults file is a list of rules.", hint="Begin each rule with `- call: put`.")
    return Faults([_RuleReader(file, models).read(node) for node in root.value])


def _compose(file: Path) -> Node | None:
    try:
        with open_file(file) as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"{file}: the file is larger than 1 MiB.", hint="Write fewer rules.")
        # The pure Python loader: deep nesting ends in an exception there, in libyaml in a crash.
        node: Node | None = yaml.compose(content, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}.", hint="Give --faults a readable file.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = str(error).replace("\n", " ")[:300]
        raise UsageError(f"{file}: not readable as YAML: {problem}.", hint="Correct the file.") from None
    return node


class _RuleReader:
    def __init__(self, file: Path, models: Sequence[str]) -> None:
        self._file = file
        self._models = models

    def read(self, node: Node) -> Rule:
        """Return the rule of one mapping."""
        if not isinstance(node, MappingNode):
            self._refuse(node, "a rule is a mapping", hint="Write it as `- {call: put, kind: lost_answer}`.")
        entries = self._entries(node)
        for needed in ("call", "kind"):
            if needed not in entries:
                self._refuse(node, f"the rule has no `{needed}`", hint="Every rule needs `call` and `kind`.")
        call, kind = self._word(entries["call"], Call), self._word(entries["kind"], FaultKind)
        if call not in ONLY_FOR.get(kind, frozenset(Call)):
            self._refuse(entries["call"], f"{kind} cannot happen to {call}", hint=_possible(kind))
        self._check_together(node, entries, kind)
        return Rule(
            call=call,
            kind=kind,
            model=self._model(entries["model"]) if "model" in entries else None,
            nth=self._counts(entries["nth"]) if "nth" in entries else None,
            every=self._count(entries["every"], least=1) if "every" in entries else None,
            after=self._count(entries["after"], least=0) if "after" in entries else None,
            seconds=self._seconds(entries["seconds"]) if "seconds" in entries else 0.0,
        )

    def _entries(self, node: MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else None
            if name not in _KEYS:
                self._refuse(key, f"unknown key `{name}`", hint=_suggest(str(name), _KEYS))
            if name in entries:
                self._refuse(key, f"the key `{name}` is there twice", hint="Keep one of them.")
            entries[name] = value
        return entries

    def _check_together(self, node: Node, entries: Mapping[str, Node], kind: FaultKind) -> None:
        if sum(name in entries for name in _WHEN) > 1:
            self._refuse(node, "the rule has more than one of nth, every and after", hint="Keep one of them.")
        if (kind in TIMED) != ("seconds" in entries):
            wanted = "needs" if kind in TIMED else "takes no"
            self._refuse(node, f"{kind} {wanted} `seconds`", hint=f"Timed kinds are {', '.join(sorted(TIMED))}.")

    def _word(self, node: Node, words: type[Word]) -> Word:
        text = self._text(node)
        if text not in {word.value for word in words}:
            known = [word.value for word in words]
            self._refuse(node, f"unknown value `{text}`", hint=_suggest(text, known))
        return words(text)

    def _model(self, node: Node) -> str | None:
        name = self._text(node)
        if name == "any":
            return None
        if name not in self._models:
            self._refuse(node, f"there is no model `{name}`", hint=_suggest(name, [*self._models, "any"]))
        return name

    def _counts(self, node: Node) -> tuple[int, ...]:
        if not isinstance(node, SequenceNode) or not node.value:
            self._refuse(node, "`nth` is a list of counts", hint="Write `nth: [1, 3]`.")
        return tuple(self._count(item, least=1) for item in node.value)

    def _count(self, node: Node, *, least: int) -> int:
        text = self._text(node)
        if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < least:
            self._refuse(node, f"`{text}` is no count", hint=f"Write a whole number of at least {least}.")
        return int(text)

    def _seconds(self, node: Node) -> float:
        text = self._text(node)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= _LONGEST_SECONDS:
            self._refuse(node, f"`{text}` is no number of seconds", hint="Write a number between 0 and 86400.")
        return value

    def _text(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            self._refuse(node, "a single value is expected", hint="Write one word or one number.")
        return str(node.value)

    def _refuse(self, node: Node, problem: str, *, hint: str) -> NoReturn:
        mark = node.start_mark
        raise UsageError(f"{self._file}:{mark.line + 1}:{mark.column + 1}: {problem}.", hint=hint)


def _suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"Possible are {', '.join(known)}."


def _possible(kind: FaultKind) -> str:
    return f"It can happen to {', '.join(sorted(ONLY_FOR[kind]))}."
