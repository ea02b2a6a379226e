"""The bundle's zip: the same members are the same bytes, and nothing else passes for them."""

import io
import zipfile
from collections.abc import Callable

import pytest

from runner.audit.bundle_layout import Container, DamagedError, bytes_member, pack

MEMBERS = {"a.txt": b"first", "runs/x/結果.zip": b"PK\x03\x04" * 500_000, "empty": b""}


def packed(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    pack(stream, [bytes_member(name, content) for name, content in members.items()])
    return stream.getvalue()


def test_what_is_packed_is_read_back() -> None:
    container = Container(io.BytesIO(packed(MEMBERS)))
    assert container.names == tuple(MEMBERS)
    for name, content in MEMBERS.items():
        with container.open(name) as stream:
            assert stream.read() == content
    assert container.is_as_packed()


def test_packing_twice_gives_the_same_bytes_and_another_zip_reads_them() -> None:
    content = packed(MEMBERS)
    assert packed(MEMBERS) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_member_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(FileNotFoundError):
        Container(io.BytesIO(packed(MEMBERS))).open("b.txt")


def test_no_flipped_bit_passes_for_what_was_packed() -> None:
    content = packed({"a.txt": b"first", "b": b"second"})
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        try:
            assert not Container(io.BytesIO(changed)).is_as_packed(), place
        except OSError:
            continue


@pytest.mark.parametrize(
    "change", [lambda content: content + b"x", lambda content: b"x" + content, lambda content: content[:-1]]
)
def test_bytes_before_after_or_missing_at_the_end_do_not_pass(change: Callable[[bytes], bytes]) -> None:
    try:
        assert not Container(io.BytesIO(change(packed({"a": b"b"})))).is_as_packed()
    except DamagedError:
        return


def test_the_same_members_packed_by_another_program_do_not_pass() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", b"first")
    assert not Container(stream).is_as_packed()


def with_zip(write: Callable[[zipfile.ZipFile], None], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        write(archive)
    return stream


def test_compressed_members_are_refused_before_they_are_read() -> None:
    bomb = with_zip(lambda archive: archive.writestr("a", bytes(50_000_000)), zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedError, match="compressed or encrypted, as if packed again"):
        Container(bomb)
    small = with_zip(lambda archive: archive.writestr("a", b"xyz"), zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedError, match="compressed"):
        Container(small)


def test_two_members_of_one_name_are_refused() -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")

    with pytest.raises(DamagedError, match="the same name"):
        Container(with_zip(twice))


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 1000, b"PK\x05\x06" + bytes(18)[:10]])
def test_what_is_not_a_zip_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError):
        Container(io.BytesIO(content))
