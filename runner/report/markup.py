"""Sentences as HTML: what stands between backticks is code, and all the rest is text."""

import re

from markupsafe import Markup

from runner.report.text import inline

_CODE = re.compile("`([^`]+)`")


def prose(sentence: object) -> Markup:
    """Return a sentence, escaped; a command that it quotes in backticks stands in a `code` element."""
    parts = _CODE.split(inline(sentence))
    shown = (Markup("<code>{}</code>" if place % 2 else "{}").format(part) for place, part in enumerate(parts))  # noqa: S704 -- constant forms; `format` escapes what goes into them
    return Markup("").join(shown)
