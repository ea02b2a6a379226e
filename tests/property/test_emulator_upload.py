"""Whatever is uploaded to the emulator: it can be trained on, or the refusal says why."""

import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.training.data import MIN_ROWS, TrainingData, read_training_data
from emulator.training.refusal import RefusedTrainingError
from emulator.training.upload import read_upload

Kind = Literal["binary_classification", "multi_classification", "regression"]
KINDS = st.sampled_from(["binary_classification", "multi_classification", "regression"])
CELLS = st.integers(-5, 5).map(str) | st.sampled_from(["", "a", "b", "1e999", "nan", "\uff11", "1_0", chr(34), "é"])
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8)


def read(content: bytes, task: Kind) -> TrainingData | str:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "upload"
        file.write_bytes(content)
        try:
            return read_training_data(read_upload(file), task=task, target="y")
        except RefusedTrainingError as error:
            return str(error)


def zip_of(train: bytes, evaluation: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_src/a.csv", train)
        archive.writestr("eval_src/a.csv", evaluation)
    return buffer.getvalue()


@given(st.binary(max_size=300), KINDS)
def test_any_bytes_are_refused_with_a_sentence(content: bytes, task: Kind) -> None:
    answer = read(content, task)
    assert isinstance(answer, str)
    assert answer.endswith(".")


@pytest.mark.parametrize("bit", [0, 7])
def test_a_zip_with_any_byte_changed_ends_with_a_sentence_or_its_data(bit: int) -> None:
    table = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n % 2) for n in range(120))
    content = zip_of(table, table)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        answer = read(bytes(changed), "regression")
        assert isinstance(answer, TrainingData) or answer.endswith(".")


@given(st.data(), KINDS)
@settings(max_examples=60)
def test_a_flipped_or_cut_zip_is_refused_or_still_the_same_data(data: st.DataObject, task: Kind) -> None:
    table = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n % 2) for n in range(120))
    content = bytearray(zip_of(table, table))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    answer = read(bytes(content), task)
    if isinstance(answer, TrainingData):
        assert answer.fit.features[:, 0].tolist() == list(range(120))


@given(ROWS, KINDS)
def test_a_table_of_any_cells_is_encoded_whole_or_refused(rows: list[tuple[str, str]], task: Kind) -> None:
    lines = [f'"{x.replace(chr(34), chr(34) * 2)}","{y.replace(chr(34), chr(34) * 2)}"' for x, y in rows]
    lines = (lines * MIN_ROWS)[: MIN_ROWS * 2]
    answer = read(("x,y\n" + "\n".join(lines)).encode(), task)
    if isinstance(answer, str):
        assert answer.endswith(".")
        return
    assert answer.held_out
    with_target = sum(bool(y.strip()) for _, y in (rows * MIN_ROWS)[: MIN_ROWS * 2])
    assert len(answer.fit.targets) + len(answer.score.targets) == with_target
    assert answer.fit.features.shape == (len(answer.fit.targets), 1)
