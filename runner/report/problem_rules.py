"""What each kind of problem with a manifest is, in one sentence: the rules that code scanners list."""

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "alias-expansion": "Aliases may not make a file grow without bound.",
        "bad-merge": "A merge key takes a mapping, or a list of mappings.",
        "bad-name": "Names have letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`.",
        "bad-url": "The service's address is a plain https URL.",
        "built-in-metric": "A built-in metric has a direction and a target of its own.",
        "contradicting-approvals": "Approvals of one candidate do not contradict each other.",
        "control-character": "A manifest holds no control characters.",
        "duplicate-key": "A key stands once in its mapping.",
        "duplicate-name": "A name is defined once over all files.",
        "empty-file": "A manifest file is not empty.",
        "empty-value": "A key has a value.",
        "glob-without-pick": "A glob says which of its files it means.",
        "key-of-another-host": "A key goes to the hosts it is bound to only.",
        "leads-out": "A manifest lies in its checkout, also when it is a link.",
        "literal-key": "API keys never stand in a manifest.",
        "matches-nothing": "Notifications are about models that exist.",
        "merge-conflict": "No marker of a merge conflict is left in a manifest.",
        "metric-of-other-task": "A rule's metric is one that the model's task has.",
        "misplaced-key": "A key stands only where it has a meaning.",
        "missing-key": "Required keys are there.",
        "moved-in-a-circle": "Names that move in a circle are all in the manifest.",
        "moved-still-there": "A model that moved is not in the manifest under its old name.",
        "moved-twice": "A model moves once, from one name to another.",
        "never-decides": "A threshold policy has a rule that decides.",
        "never-fails": "A rule can fail.",
        "never-passes": "A rule can pass.",
        "no-limit": "A rule has a limit.",
        "no-manifest": "A folder that is named holds manifest files.",
        "no-models": "A manifest names at least one model.",
        "non-string-key": "Keys are texts.",
        "not-available-yet": "What this version cannot do yet is refused.",
        "not-utf8": "A manifest is UTF-8 text.",
        "number-range": "Numbers stay within what can be computed exactly.",
        "out-of-range": "A value lies within its limits.",
        "plain-http": "Keys travel over https only, but for this machine.",
        "repeated-item": "A list names each item once.",
        "service-twice": "A service is either a URL or the emulator.",
        "several-documents": "A manifest file holds one YAML document.",
        "shared-key": "Each model has a key of its own.",
        "similar-name": "Names look different, and in more than letter case.",
        "tab": "YAML is indented with spaces.",
        "tag": "YAML tags are not used.",
        "too-deep": "Values are not nested without bound.",
        "too-large": "A manifest file has at most 4 MiB.",
        "too-many-errors": "Looking for problems ends after 1,000 errors.",
        "too-many-nodes": "A manifest file has a bounded number of values.",
        "unknown-alias": "An alias has an anchor before it.",
        "unknown-dataset": "The dataset of a model is defined.",
        "unknown-key": "Keys are those of the format.",
        "unknown-model": "The model of an approval is in the manifest.",
        "unknown-metric": "A rule's metric is built in or defined.",
        "unknown-policy": "The policy of a model is defined.",
        "unreadable": "Every file that is named can be read.",
        "unused": "What is defined is used.",
        "wrong-count": "A list has a number of items that makes sense.",
        "wrong-form": "A text has the form its key asks for.",
        "wrong-type": "A value has the type its key asks for.",
        "wrong-value": "A value is one of those its key knows.",
        "wrong-side": "A bound keeps the worse values out.",
        "yaml-syntax": "A manifest is valid YAML.",
    }
)


def rule_text(code: str) -> str:
    """Return what a problem with this code is about."""
    return RULES.get(code, "The manifest follows its format.")
