"""What the types of a profile cannot say: keys that belong together, or that exclude each other."""

import difflib
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from emulator.profile import ONLY_FOR, TIMED, Call, FaultKind, Member, Profile, Reply, Result, Rule

Problem = tuple[tuple[str | int, ...], str, str]
"""Where in the profile, what is wrong, and what to do."""


def check_profile(profile: Profile, models: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a profile whose types are right; `models` are the names a rule may use."""
    for number, rule in enumerate(profile.rules):
        for path, problem, hint in (*_model(rule, models), *_rule(rule)):
            yield ("rules", number, *path), problem, hint
    for path, problem, hint in _result(profile.result):
        yield ("result", *path), problem, hint


def _model(rule: Rule, models: Sequence[str]) -> Iterator[Problem]:
    if rule.model not in (None, "any", *models):
        close = difflib.get_close_matches(str(rule.model), models, n=1)
        hint = f"Did you mean `{close[0]}`?" if close else f"Possible are {', '.join([*models, 'any'])}."
        yield ("model",), f"there is no model `{rule.model}`", hint


def _rule(rule: Rule) -> Iterator[Problem]:
    if sum(key is not None for key in (rule.nth, rule.every, rule.after)) > 1:
        yield (), "the rule has more than one of nth, every and after", "Keep one of them."
    ways = sum((rule.kind is not None, rule.answer is not None, rule.changes))
    if ways != 1:
        what = "says nothing to play" if ways == 0 else "has more than one of `kind`, `answer` and changes"
        yield (), f"the rule {what}", "Give it a `kind`, or an `answer`, or changes (wrap, rename, set, drop, gzip)."
    if rule.since is None and (rule.since_seconds is not None or rule.until is not None):
        yield (), "`from` and `until` need `since`", "Write for example `since: uploaded, until: 4`."
    yield from _fault(rule, rule.kind)
    yield from _effect(rule)
    if rule.answer is not None:
        yield from _reply(rule.answer)


def _fault(rule: Rule, kind: FaultKind | None) -> Iterator[Problem]:
    timed = kind in TIMED
    if timed != (rule.seconds is not None) and rule.answer is None:
        name = kind or "the rule"
        hint = f"Timed kinds are {', '.join(sorted(TIMED))}."
        yield (), f"{name} {'needs' if timed else 'takes no'} `seconds`", hint
    if kind is not None and rule.call not in ONLY_FOR.get(kind, frozenset(Call)):
        yield (
            ("call",),
            f"{kind} cannot happen to {rule.call}",
            f"It can happen to {', '.join(sorted(ONLY_FOR[kind]))}.",
        )


def _effect(rule: Rule) -> Iterator[Problem]:
    if rule.effect_after is None:
        return
    if rule.answer is None:
        yield ("effect_after",), "`effect_after` belongs to an `answer`", "Add the answer that is given instead."
    elif rule.effect_after > 0 and rule.call is not Call.SWITCH:
        yield ("effect_after",), "only a switch can take effect later", "Write `effect_after: 0`, or `call: switch`."


def _reply(reply: Reply) -> Iterator[Problem]:
    if sum(part is not UNSET for part in (reply.json, reply.text, reply.error)) > 1:
        yield ("answer",), "an answer has one of `json`, `text` and `error`", "Keep one of them."


def _result(result: Result) -> Iterator[Problem]:
    members = result.members
    if result.container in ("bare", "gzip") and members is not None and len(members) != 1:
        yield ("members",), f"`{result.container}` takes one member", "Keep one of them, or use zip or tar.gz."
    yield from _members(members or (), ("members",))


def _members(members: Sequence[Member], path: tuple[str | int, ...]) -> Iterator[Problem]:
    for number, member in enumerate(members):
        contents = (member.trained, member.text, member.workbook, member.base64, member.members)
        if sum(content is not None for content in contents) != 1:
            hint = "Give it one of `trained`, `text`, `workbook`, `base64` and `members`."
            yield (*path, number), f"the member {member.path} needs one content", hint
        try:
            "".encode(member.encoding)
        except LookupError:
            yield (*path, number, "encoding"), f"unknown encoding `{member.encoding}`", "For example utf-8 or cp932."
        yield from _members(member.members or (), (*path, number, "members"))
