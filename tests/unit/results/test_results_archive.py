import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from runner.errors import Kind, ModelError
from runner.results.result_file import read_result
from runner.results.zip_and_tar import Archive

CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"


class Watched(io.BytesIO):
    """Remembers the largest number of bytes that was read at once."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.largest = max(self.largest, len(content))
        return content


def with_flag(stream: io.BytesIO, flag: int) -> io.BytesIO:
    """Set a general purpose flag in the first member's local and central headers."""
    content = bytearray(stream.getvalue())
    content[content.index(LOCAL) + 6] |= flag
    content[content.index(CENTRAL) + 8] |= flag
    return io.BytesIO(bytes(content))


def refused(stream: io.BytesIO) -> str:
    with pytest.raises(ModelError) as caught:
        read_result(stream, {})
    assert caught.value.kind is Kind.RESULT
    return caught.value.message


def test_a_bomb_of_more_than_16_mib_is_refused(zipped: Callable[..., io.BytesIO]) -> None:
    assert "larger than 16 MiB" in refused(zipped({"metrics.csv": bytes(17 * 1024 * 1024)}))


def test_a_bomb_of_a_high_ratio_is_refused(zipped: Callable[..., io.BytesIO]) -> None:
    assert "more than 200 times" in refused(zipped({"metrics.csv": b"\n" * (2 * 1024 * 1024)}))


def test_a_small_member_may_compress_well(zipped: Callable[..., io.BytesIO]) -> None:
    stream = zipped({"metrics.csv": b"AUC,0.9\n" + b"\n" * 50_000})
    assert read_result(stream, {}).metrics["auc"].value is not None


def test_a_bomb_in_another_member_is_never_opened(zipped: Callable[..., io.BytesIO]) -> None:
    stream = zipped({"evaluation_raw_data.csv": bytes(17 * 1024 * 1024), "metrics.csv": "AUC,0.9\n"})
    assert "auc" in read_result(stream, {}).metrics


def test_a_stated_size_that_lies_is_noticed(zipped: Callable[..., io.BytesIO]) -> None:
    content = bytearray(zipped({"metrics.csv": "AUC,0.9\nRecall,0.8\n"}).getvalue())
    struct.pack_into("<I", content, content.index(CENTRAL) + 24, 8)
    assert "damaged" in refused(io.BytesIO(bytes(content)))


def test_more_than_1000_members_are_refused(zipped: Callable[..., io.BytesIO]) -> None:
    assert "1001 members" in refused(zipped({f"{number}": b"" for number in range(1001)}))


def test_a_long_directory_is_not_read_into_memory() -> None:
    size = 3 * 1024 * 1024
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, size, 4, 0)
    stream = Watched(LOCAL + bytes(size) + end)
    with pytest.raises(ModelError, match="too long to read"):
        read_result(stream, {})
    assert stream.largest < 1024 * 1024


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_member_twice_is_one_where_it_is_a_copy_and_refused_where_it_is_not() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metrics.csv", "AUC,0.9\n")
        archive.writestr("metrics.csv", "AUC,0.9\n")
    assert str(read_result(stream, {}).metrics["auc"].value) == "0.9"
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("metrics.csv", "AUC,0.1\n")
    assert "has the member 'metrics.csv' twice, with different content" in refused(stream)


@pytest.mark.parametrize("other", ["b/metrics.csv", "a/METRICS.csv"])
def test_two_candidates_for_the_metrics_are_refused_with_both_names(
    zipped: Callable[..., io.BytesIO], other: str
) -> None:
    message = refused(zipped({"a/metrics.csv": "AUC,0.9\n", other: "AUC,0.1\n"}))
    assert "'a/metrics.csv'" in message
    assert f"'{other}'" in message


@pytest.mark.parametrize("folder", ["previous", "Old model", "previous_2", "results/前回", "旧モデル", "train", "diff"])
def test_metrics_in_a_folder_of_the_model_before_are_not_the_candidates(
    zipped: Callable[..., io.BytesIO], folder: str
) -> None:
    before = {f"{folder}/metrics.csv": "AUC,0.9\n"}
    assert "has no metrics.csv" in refused(zipped(before))
    both = read_result(zipped(before | {"current/metrics.csv": "AUC,0.1\n"}), {})
    assert str(both.metrics["auc"].value) == "0.1"


def test_an_encrypted_member_is_refused(zipped: Callable[..., io.BytesIO]) -> None:
    assert "encrypted" in refused(with_flag(zipped({"metrics.csv": "AUC,0.9\n"}), 0x1))


def test_another_member_may_be_encrypted(zipped: Callable[..., io.BytesIO]) -> None:
    stream = with_flag(zipped({"secret": b"x", "metrics.csv": "AUC,0.9\n"}), 0x1)
    assert "auc" in read_result(stream, {}).metrics


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_of_unbounded_memory_is_refused(zipped: Callable[..., io.BytesIO], compression: int) -> None:
    assert "compressed in an unknown way" in refused(zipped({"metrics.csv": "AUC,0.9\n"}, compression))


def test_stored_members_are_read(zipped: Callable[..., io.BytesIO]) -> None:
    assert "auc" in read_result(zipped({"metrics.csv": "AUC,0.9\n"}, zipfile.ZIP_STORED), {}).metrics


def test_an_empty_archive_is_refused(zipped: Callable[..., io.BytesIO]) -> None:
    assert "has no metrics.csv; it has nothing" in refused(zipped({}))


def test_japanese_names_without_the_unicode_flag_are_read_as_shift_jis(zipped: Callable[..., io.BytesIO]) -> None:
    content = zipped({"12345678.csv": "AUC,0.9\n"}).getvalue()
    archive = Archive(io.BytesIO(content.replace(b"12345678", "評価結果".encode("cp932"))))
    assert [(member.path, member.read()) for member in archive.members()] == [("評価結果.csv", b"AUC,0.9\n")]


def test_names_that_are_not_shift_jis_do_not_matter(zipped: Callable[..., io.BytesIO]) -> None:
    content = zipped({"12345678.txt": b"", "metrics.csv": "AUC,0.9\n"}).getvalue()
    stream = io.BytesIO(content.replace(b"12345678", b"\x81\xff\xfe\xa0\x80\xfd\x81\x00"))
    assert "auc" in read_result(stream, {}).metrics


def test_a_name_that_breaks_its_own_unicode_flag_is_refused(zipped: Callable[..., io.BytesIO]) -> None:
    content = with_flag(zipped({"1234.txt": b"", "metrics.csv": "AUC,0.9\n"}), 0).getvalue()
    broken = bytearray(content.replace(b"1234", b"\xff\xff\xff\xff"))
    broken[broken.index(CENTRAL) + 9] |= 0x08
    assert "damaged" in refused(io.BytesIO(bytes(broken)))


def test_a_cut_archive_is_refused_wherever_it_is_cut(zipped: Callable[..., io.BytesIO]) -> None:
    content = zipped({"metrics.csv": "AUC,0.9\n"}).getvalue()
    for length in range(4, len(content)):
        assert "damaged" in refused(io.BytesIO(content[:length]))


def test_one_changed_byte_gives_the_same_metrics_or_a_refusal(zipped: Callable[..., io.BytesIO]) -> None:
    content = zipped({"metrics.csv": "AUC,0.9\nAccuracy,0.8\n"}).getvalue()
    whole = dict(read_result(io.BytesIO(content), {}).metrics)
    for index in range(4, len(content)):
        for value in (0x00, 0xFF, content[index] ^ 0x01):
            changed = content[:index] + bytes([value]) + content[index + 1 :]
            try:
                found = dict(read_result(io.BytesIO(changed), {}).metrics)
            except ModelError:
                continue
            assert found == whole
