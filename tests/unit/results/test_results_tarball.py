"""Tar archives and gzip streams from outside: read within limits, whatever they say of themselves."""

import gzip
import io
import struct
import tarfile

import pytest

from runner.results.result_file import result_metrics
from tests.fakes.result_files import tar_gz

AUC = b"AUC,0.91\n"


class _Counting(io.BytesIO):
    """Counts the bytes that were read."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.given += len(content)
        return content


def unread(content: bytes) -> str:
    reason = result_metrics(io.BytesIO(content), {}).unread
    assert reason is not None
    return reason


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_cut_archive_is_refused_wherever_it_is_cut(mode: str) -> None:
    content = tar_gz({"metrics.csv": AUC, "p.csv": bytes(range(1, 256)) * 8}, mode=mode)
    for length in range(20, 4000 if mode == "w" else len(content) - 1, 7):
        found = result_metrics(io.BytesIO(content[:length]), {})
        assert found.unread is not None
        assert dict(found.metrics) == {}


def test_one_changed_byte_gives_the_same_metrics_or_none() -> None:
    content = tar_gz({"metrics.csv": AUC})
    for index in range(3, len(content)):
        changed = content[:index] + bytes([content[index] ^ 0x41]) + content[index + 1 :]
        found = result_metrics(io.BytesIO(changed), {}).metrics.get("auc")
        assert found is None or str(found.value) == "0.91"


def test_a_bomb_is_refused_by_its_ratio_before_it_is_whole() -> None:
    assert "more than 200 times" in unread(gzip.compress(bytes(64 * 1024 * 1024)))
    assert "more than 200 times" in unread(tar_gz({"metrics.csv": bytes(15 * 1024 * 1024)}))


def test_a_member_beyond_16_mib_is_not_held_in_memory() -> None:
    block = bytes(range(256)) * 4096 * 17
    content = tar_gz({"raw.csv": block, "metrics.csv": AUC}, mode="w")
    assert str(result_metrics(io.BytesIO(content), {}).metrics["auc"].value) == "0.91"
    assert "is larger than 16 MiB" in unread(tar_gz({"metrics.csv": block}, mode="w"))


def test_more_than_1000_members_are_refused() -> None:
    assert "1001 members" in unread(tar_gz({f"{number}.csv": b"" for number in range(1001)}))


def test_an_extended_header_that_states_gigabytes_is_refused_unread() -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    header[156:157] = b"x"
    header[124:136] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    stream = _Counting(bytes(header) + bytes(8 * 1024 * 1024))
    reason = result_metrics(stream, {}).unread
    assert reason is not None
    assert "tar archive that is damaged" in reason
    assert stream.given < 1024 * 1024


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_not_a_file_is_passed_by(kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        member = tarfile.TarInfo("metrics.csv")
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    assert unread(stream.getvalue()) == "The result (tar archive) has no metrics.csv; it has nothing."


def test_gzip_within_gzip_is_opened_once_only() -> None:
    assert "nor any other known format" in unread(gzip.compress(gzip.compress(AUC)))


def test_a_damaged_checksum_of_gzip_is_noticed() -> None:
    content = bytearray(gzip.compress(AUC))
    struct.pack_into("<I", content, len(content) - 8, 0)
    assert "gzip file that is damaged" in unread(bytes(content))
