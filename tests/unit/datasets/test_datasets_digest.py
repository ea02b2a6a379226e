import hashlib

import pytest

from runner.datasets.file_cache import digest
from runner.datasets.resolve import resolve
from runner.errors import Kind, ModelError
from runner.lib.canonical_json import digest as canonical_digest
from tests.unit.datasets.conftest import HEADER, Desk, dataset, rows, source


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_digest_is_over_both_contents_and_not_over_names(desk: Desk) -> None:
    train, evaluation = (HEADER + rows(3)).encode(), (HEADER + rows(2, 9)).encode()
    for name in ("one", "two"):
        desk.write(f"{name}/{name}.csv", train)
        desk.write(f"{name}/{name}-eval.csv", evaluation)
    one, two = (
        digest(resolve(desk.dataset(f"{name}/{name}.csv", f"{name}/{name}-eval.csv"))) for name in ("one", "two")
    )
    assert one.sha256 == two.sha256 == canonical_digest({"train": sha(train), "eval": sha(evaluation)})
    assert (one.train.sha256, one.train.bytes, one.train.source) == (sha(train), len(train), "one/one.csv")
    assert one.eval is not None
    assert one.eval.sha256 == sha(evaluation)


def test_without_an_evaluation_file_the_digest_is_another_one(desk: Desk) -> None:
    desk.write("a.csv", "x")
    assert digest(resolve(desk.dataset("a.csv"))).sha256 == canonical_digest({"train": sha(b"x"), "eval": None})


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([b"h,i\n1,2\n", b"h,i\n3,4\n"], b"h,i\n1,2\n3,4\n"),
        ([b"h,i\n1,2", b"h,i\n3,4"], b"h,i\n1,2\n3,4\n"),
        ([b"h,i\r\n1,2", b"h,i\r\n3,4\r\n"], b"h,i\r\n1,2\r\n3,4\r\n"),
        ([b"h,i\n1,2\n\n\n", b"h,i\n3,4\n\n"], b"h,i\n1,2\n3,4\n"),
        ([b"\xef\xbb\xbfh,i\n1,2\n", b"\xef\xbb\xbfh,i\n3,4\n"], b"\xef\xbb\xbfh,i\n1,2\n3,4\n"),
        ([b"h,i\n1,2\n", b"h,i\n", b"h,i\n3,4\n"], b"h,i\n1,2\n3,4\n"),
        ([b'"h\n1",i\n1,2\n', b'"h\n1",i\n3,4\n'], b'"h\n1",i\n1,2\n3,4\n'),
        ([b'"h\n1",i\n1,2\n', b'\xef\xbb\xbf"h\n1",i\n3,4\n'], b'"h\n1",i\n1,2\n3,4\n'),
        ([b"h,i\n1,2\n", b"h,i"], b"h,i\n1,2\n"),
    ],
)
def test_joined_files_are_one_file_with_one_header_and_no_blank_lines(
    desk: Desk, parts: list[bytes], joined: bytes
) -> None:
    for number, part in enumerate(parts):
        desk.write(f"day{number}.csv", part)
    found = digest(resolve(desk.joined()))
    assert (found.train.sha256, found.train.bytes) == (sha(joined), len(joined))


def test_a_pinned_content_passes_and_another_is_refused_with_both_digests(desk: Desk) -> None:
    desk.write("a.csv", "x")
    good = dataset(source(desk.folder, "a.csv"), pin=sha(b"x"))
    assert digest(resolve(good)).train.sha256 == sha(b"x")
    with pytest.raises(ModelError) as caught:
        digest(resolve(dataset(source(desk.folder, "a.csv"), pin=sha(b"y"))))
    assert caught.value.kind is Kind.DATA
    assert sha(b"x")[:12] in caught.value.message
    assert sha(b"y")[:12] in caught.value.message


def test_the_pin_of_the_evaluation_file_counts_too(desk: Desk) -> None:
    desk.write("a.csv", "x")
    desk.write("b.csv", "y")
    with pytest.raises(ModelError, match=r"b\.csv has the SHA-256"):
        digest(resolve(dataset(source(desk.folder, "a.csv"), source(desk.folder, "b.csv"), eval_pin=sha(b"x"))))


def test_a_file_that_vanished_after_it_was_found_is_told_as_missing(desk: Desk) -> None:
    path = desk.write("a.csv", "x")
    resolved = resolve(desk.dataset("a.csv"))
    path.unlink()
    with pytest.raises(ModelError, match=r"a\.csv does not exist"):
        digest(resolved)


def test_megabytes_of_blank_lines_do_not_pile_up_in_memory(desk: Desk) -> None:
    desk.write("day0.csv", b"h,i\n" + b"\n" * (5 << 20))
    desk.write("day1.csv", b"h,i\n1,2\n")
    with pytest.raises(ModelError, match="more than 1 MiB of blank lines"):
        digest(resolve(desk.joined()))
