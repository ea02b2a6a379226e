"""Sentences as HTML: a command that they quote in backticks is code, and all the rest is text."""

from markupsafe import Markup

from runner.reports.text import inline, quoted_parts

_FORMS = (Markup("{}"), Markup("<code>{}</code>"))


def prose(sentence: object) -> Markup:
    """Return a sentence, escaped; the commands that it quotes stand in `code` elements."""
    parts = quoted_parts(inline(sentence))
    return Markup("").join(_FORMS[place % 2].format(part) for place, part in enumerate(parts))
