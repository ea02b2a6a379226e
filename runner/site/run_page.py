"""A run's report as a page of the site: the same, with a way back to the other pages."""

_BODY = b"<body>\n"
_WAY_BACK = b'<nav aria-label="Site"><a href="../../index.html">Models</a> <a href="../index.html">Runs</a></nav>\n'


def with_way_back(report: bytes) -> bytes:
    """Return a report with links to the two lists; all its text is escaped, so its body begins in one place only."""
    return report.replace(_BODY, _BODY + _WAY_BACK, 1)
