"""A person at the terminal, who runs, reads, and does what was printed, until it is right or nothing is left."""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import yaml

from tests.acceptance.realities.parts import Act, Part
from tests.acceptance.realities.printed_lines import manifest_lines, merge
from tests.acceptance.realities.scene import MODELS, Said, Scene

_ROUNDS = 8
_LONGEST_PAUSE_S = 90.0
_LATE_SWITCH_S = 4.0
_PATIENCE = 2  # a message that was heard so often helps no further
_COMMAND = re.compile(r"\bretrain (?:run|approve|inspect|resolve|status|adopt|doctor|plan)\b[^`\n]*")
_AGAIN = re.compile(r"run again|next `?retrain run|next run|again later|goes on|`retrain run`", re.IGNORECASE)


class Ending(StrEnum):
    """How a reality ended for the person."""

    AT_ONCE = "right at once"
    PAST = "got past by its message"
    STUCK = "stuck"
    WRONG_SWITCH = "wrong switch"
    SECOND_TRAINING = "second training"


@dataclass(slots=True, kw_only=True)
class Played:
    """How a reality went: its ending, the model that decided it, and all that was printed."""

    ending: Ending
    why: str
    said: list[Said]


@dataclass(slots=True, kw_only=True)
class Person:
    """Plays one scene."""

    scene: Scene
    part: Part
    said: list[Said] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    _heard: list[str] = field(default_factory=list)
    _approved: bool = False
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def play(self) -> Played:
        """Play until it is right, or until nothing printed is left to do."""
        if self.part.before is not None:
            self.part.before(self.scene)
        self._do("run", "models.yaml")
        at_once = not self._wrong()
        if self.part.edit is not None:
            self.part.edit(self.scene)
            self.scene.save()
            self._do("run", "models.yaml")
        self._go_on()
        if self._usual("manual") == self._entries["manual"]["outcome"] == "awaiting_approval":
            self._approve_manual()
            self._go_on()
        return self._judge(at_once=at_once)

    def _go_on(self) -> None:
        """Do what is printed, step by step, until all is right or nothing is left."""
        for _ in range(_ROUNDS):
            wrong = self._wrong()
            if not wrong or not self._next_step(wrong):
                break

    def _judge(self, *, at_once: bool) -> Played:
        trained = {name: count for name, count in self.scene.trainings().items() if count > 1}
        if trained:
            return self._played(Ending.SECOND_TRAINING, f"trained: {trained}")
        if self.scene.serving("bad") and self._usual("bad") != "switched":
            return self._played(Ending.WRONG_SWITCH, "the bad candidate serves")
        wrong = self._wrong()
        if wrong:
            name = wrong[0]
            return self._played(Ending.STUCK, f"{name}: {self._entries[name]['reason']}")
        unserved = [name for name in MODELS if self._serves(name) and not self.scene.serving(name)]
        if unserved:
            return self._played(Ending.STUCK, f"{unserved[0]} is said to be switched and does not serve")
        if not re.search(self.part.printed, "\n".join(said.text for said in self.said)):
            return self._played(Ending.STUCK, f"nothing says {self.part.printed}")
        return self._played(Ending.AT_ONCE if at_once else Ending.PAST, "")

    def _played(self, ending: Ending, why: str) -> Played:
        return Played(ending=ending, why=why, said=self.said)

    def _usual(self, name: str) -> str:
        if name == "manual" and self._approved:
            return "switched"
        usual = {"auto": "switched", "manual": "awaiting_approval", "good": "switched", "bad": "held"}
        return self.part.right.get(name, usual[name])

    def _serves(self, name: str) -> bool:
        return self._usual(name) in ("switched", "awaiting_approval")

    def _wrong(self) -> list[str]:
        """Return the models whose outcome is not right yet."""
        return [name for name, entry in self._entries.items() if not self._is_right(name, entry)]

    def _is_right(self, name: str, entry: Mapping[str, Any]) -> bool:
        usual, outcome = self._usual(name), entry["outcome"]
        if usual == "switched":
            return outcome in ("switched", "unchanged") and self._serves_soon(name)
        if usual == "awaiting_approval":
            return outcome == usual or self.scene.serving(name)
        return bool(outcome == usual) or (usual == "held" and outcome == "unchanged")

    def _serves_soon(self, name: str) -> bool:
        """Return whether a model serves that is said to; a service may apply a switch a little later."""
        deadline = time.monotonic() + _LATE_SWITCH_S
        while not (serving := self.scene.serving(name)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return serving

    def _next_step(self, wrong: list[str]) -> bool:
        """Do the first thing that was printed and is not done yet, and run again; false when there is nothing."""
        told = [_told(self._entries[name]) for name in wrong]
        printed = told + [said.text for said in self.said[-2:]]
        act = self.part.act
        if act is not None and act.named not in self._done and any(_names(act, text) for text in printed):
            self._done.add(act.named)
            act.do(self.scene)
        elif not self._paste(printed) and not self._command(wrong, printed):
            if not self._is_patient(wrong, "\n".join(told)):
                return False
            time.sleep(_pause("\n".join(told)))
        self._do("run", "models.yaml")
        return True

    def _is_patient(self, wrong: list[str], told: str) -> bool:
        """Return whether the person runs the same again: what was printed says so, and was not heard too often."""
        self._heard.append(told)
        again = _AGAIN.search(told) or any(self._entries[name]["outcome"] in ("training", "failed") for name in wrong)
        return bool(again) and self._heard.count(told) <= _PATIENCE

    def _paste(self, printed: list[str]) -> bool:
        """Put the first manifest lines that were printed and are not there yet into the manifest."""
        for text in printed:
            for lines in manifest_lines(text):
                key = yaml.safe_dump(lines)
                if key not in self._done and self._is_true(lines):
                    self._done.add(key)
                    merge(self.scene.manifest, lines)
                    self.scene.save()
                    return True
        return False

    def _is_true(self, lines: Mapping[str, Any]) -> bool:
        """Return whether lines say of a status what the service's owner knows of it."""
        statuses = lines.get("service", {}).get("statuses", {}) if isinstance(lines.get("service"), dict) else {}
        profile = self.scene.profile
        ends = {"finished": profile.statuses.finished, "failed": profile.statuses.failed}
        happens = {"finished": profile.training.fails is None, "failed": profile.training.fails is not None}
        return all(
            happens[end] and str(ends[end]).lower() == values[-1] for end, values in statuses.items() if end in ends
        )

    def _command(self, wrong: list[str], printed: list[str]) -> bool:
        """Run the first command that was printed for a model that is not right, and was not run yet."""
        for command in (command for text in printed for command in _COMMAND.findall(text)):
            words = self._filled(command)
            plain_run = words[:1] == ["run"] and "--force" not in words
            if not words or plain_run or " ".join(words) in self._done or _is_usage(words):
                continue
            about = {name for name in MODELS if name in words}
            if (about and not about & set(wrong)) or (words[0] == "approve" and "bad" in about):
                continue
            if words[0] == "resolve" and not self._happened(words):
                continue
            self._done.add(" ".join(words))
            self._paste([self._do(*words).text])
            return True
        return False

    def _filled(self, command: str) -> list[str]:
        """Return a command's words after `retrain`, with what only a person knows put in."""
        try:
            words = shlex.split(command.strip().rstrip(".,;:)"))[1:]
        except ValueError:
            return []
        return [self._known(word, words) for word in words]

    def _happened(self, words: list[str]) -> bool:
        """Return whether the service's own pages show what a `resolve` would record."""
        model = next(name for name in MODELS if name in words)
        started, switched = self.scene.trainings()[model] > 0, self.scene.serving(model)
        truth = {"started": started, "not-started": not started, "switched": switched, "not-switched": not switched}
        return any(truth.get(word, False) for word in words)

    def _known(self, word: str, words: list[str]) -> str:
        if "|" in word and "switched" in word:
            model = next((name for name in MODELS if name in words), None)
            return "switched" if model and self.scene.serving(model) else "not-switched"
        return "seen in the service" if word in ("...", "TEXT", "T", "REASON") else word

    def _approve_manual(self) -> None:
        """Approve what waits, with the command that was printed for it."""
        texts = [said.text for said in self.said] + [_told(self._entries["manual"])]
        found = next(
            (c for text in texts for c in _COMMAND.findall(text) if re.match(r"retrain approve .*\bmanual\b", c)), None
        )
        words = self._filled(found) if found else None
        said = self._do(*(words or ["approve", "manual", "--reason", "looked at it"]))
        again = [words for command in _COMMAND.findall(said.text) if (words := self._filled(command))]
        if again and "--yes" in again[-1]:
            self._do(*again[-1])
        self._approved = True
        self._do("run", "models.yaml")

    def _do(self, *words: str) -> Said:
        said = self.scene.retrain(*words)
        self.said.append(said)
        if words[0] == "run":
            unreported = {"outcome": "no report", "reason": said.text[-500:]}
            self._entries = self.scene.entries() or dict.fromkeys(MODELS, unreported)
        return said


def _told(entry: Mapping[str, Any]) -> str:
    """Return all that a report says to a person about a model."""
    error = entry.get("error") or {}
    parts = (
        entry.get("reason"),
        error.get("message"),
        error.get("hint"),
        entry.get("next"),
        *entry.get("warnings", ()),
    )
    return "\n".join(str(part) for part in parts if part)


def _pause(text: str) -> float:
    """Return how long the person waits before the next run: until the time that is printed, else a moment."""
    found = re.search(r"again after (\d{4}-\d\d-\d\dT[\d:]+Z)", text)
    left = datetime.fromisoformat(found[1]).timestamp() - time.time() if found else 0.0
    return min(max(left, 0.0) + 1, _LONGEST_PAUSE_S)


def _is_usage(words: Sequence[str]) -> bool:
    return "--help" in words or any("[" in word for word in words)


def _names(act: Act, text: str) -> bool:
    return re.search(act.named, text, re.IGNORECASE) is not None
