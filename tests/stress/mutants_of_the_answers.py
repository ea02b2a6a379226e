"""Mutants that let whoever answers for the service keep a core busy, end a run as by a bug, or show a key."""

from tests.stress.mutant import Mutant

_PAGES = "tests/unit/providers/test_provider_hostile_pages.py::"
_HOSTILE = "tests/stress/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="each_unseen_element_is_looked_for_to_the_end",
        file="runner/providers/prediction_one/responses.py",
        old="    for begin in _UNSEEN.finditer(html):\n",
        new=(
            '    html = re.sub(r"<(script|style|head)\\b.*?</\\1\\s*>", " ", html, flags=re.DOTALL)\n'
            "    for begin in _UNSEEN.finditer(html):\n"
        ),
        caught_by=_PAGES + "test_a_page_of_beginnings_is_read_in_linear_time",
    ),
    Mutant(
        name="each_query_is_looked_for_to_the_end",
        file="runner/lib/secrets.py",
        old="        text = _URL.sub(_without_query, text)\n",
        new="""        text = re.sub(r"(https?://[^\\s?#\\"'<>]*\\?)[^\\s\\"'<>]+", rf"\\1{HIDDEN}", text)\n""",
        caught_by=_PAGES + "test_secrets_are_looked_for_in_linear_time",
    ),
    Mutant(
        name="a_text_of_controls_is_cut_without_a_word",
        file="runner/http/responses.py",
        old=" or len(text) > _MOST_READ)",
        new=")",
        caught_by=_HOSTILE + "[a key at the end of what is read]",
    ),
    Mutant(
        name="a_signed_url_names_any_host",
        file="runner/http/addresses.py",
        old=' or not is_host(host.removesuffix("."))',
        new="",
        caught_by="tests/unit/providers/test_provider_small_parts.py::test_a_host_that_cannot_be_one_is_refused",
    ),
    Mutant(
        name="a_fetched_key_may_be_any_text",
        file="runner/providers/prediction_one/response_reading.py",
        old=" or not key.isascii()",
        new="",
        caught_by="tests/unit/providers/test_provider_reads.py::test_a_fetched_key_is_ascii_of_bounded_length",
    ),
    Mutant(
        name="a_signed_url_is_as_long_as_it_likes",
        file="runner/http/responses.py",
        old="    if len(value) > _LONGEST_URL:\n",
        new="    if False:\n",
        caught_by="tests/unit/providers/test_provider_reads.py::test_a_signed_url_has_a_bounded_length",
    ),
    Mutant(
        name="warnings_have_no_end",
        file="runner/manifest/document.py",
        old="            if self._warnings > MOST_WARNINGS:\n",
        new="            if False:\n",
        caught_by="tests/unit/manifest/test_manifest_hostile.py::test_warnings_end_after_a_thousand",
    ),
)
