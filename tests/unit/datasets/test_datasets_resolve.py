import os
from pathlib import Path

import pytest

from runner.datasets.resolve import resolve
from runner.errors import Kind, ModelError
from runner.manifest.model import Pick
from tests.unit.datasets.conftest import Desk, dataset, source


def refusal(desk: Desk, pattern: str, pick: Pick | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(dataset(source(desk.folder, pattern, pick)))
    assert caught.value.kind is Kind.DATA
    assert caught.value.hint
    return caught.value.message


def test_a_path_is_found_from_the_manifests_folder_and_shown_from_the_working_folder(desk: Desk) -> None:
    desk.write("configs/data/a.csv", "x")
    found = resolve(dataset(source(desk.folder / "configs", "../configs/data/a.csv")))
    with found.train.parts[0].open() as file:
        assert file.read() == b"x"
    assert found.train.source == "configs/data/a.csv"
    assert found.train.name == "a.csv"


def test_outside_the_working_folder_a_path_is_shown_from_the_manifests_folder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    desk.write("here/b.csv", "x")
    monkeypatch.chdir(desk.folder / "here")
    (elsewhere / "a.csv").write_bytes(b"x")
    assert resolve(dataset(source(elsewhere, "a.csv"))).train.source == "a.csv"


def test_latest_takes_the_last_by_name_and_not_the_newest(desk: Desk) -> None:
    desk.write("daily/2026-01-02.csv", "x")
    newest = desk.write("daily/2026-01-01.csv", "x")
    os.utime(newest, (4e9, 4e9))
    assert resolve(dataset(source(desk.folder, "daily/*.csv", "latest"))).train.name == "2026-01-02.csv"


def test_all_takes_every_match_in_order_and_names_the_upload_after_the_dataset(desk: Desk) -> None:
    for name in ("b.csv", "a.csv", "c.csv"):
        desk.write(name, "x")
    (desk.folder / "d.csv").mkdir()
    found = resolve(dataset(source(desk.folder, "*.csv", "all"))).train
    assert [part.shown for part in found.parts] == ["a.csv", "b.csv", "c.csv"]
    assert (found.source, found.name) == ("a.csv + 2 more", "churn.csv")


def test_a_tab_separated_file_keeps_its_ending_and_its_delimiter(desk: Desk) -> None:
    desk.write("a.TSV", "x")
    found = resolve(dataset(source(desk.folder, "a.TSV"))).train
    assert (found.name, found.delimiter) == ("a.TSV", "\t")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(desk: Desk) -> None:
    desk.write("a[1].csv", "x")
    desk.write("a1.csv", "y")
    assert resolve(dataset(source(desk.folder, "a[1].csv"))).train.name == "a[1].csv"


def test_special_characters_in_the_manifests_folder_are_not_a_pattern(desk: Desk) -> None:
    desk.write("team[1]/a.csv", "x")
    assert resolve(dataset(source(desk.folder / "team[1]", "*.csv", "latest"))).train.name == "a.csv"


def test_a_pattern_without_pick_has_to_match_one_file(desk: Desk) -> None:
    desk.write("a1.csv", "x")
    assert resolve(dataset(source(desk.folder, "a*.csv"))).train.name == "a1.csv"
    desk.write("a2.csv", "x")
    assert refusal(desk, "a*.csv") == "a*.csv matches 2 files, but must match only one."


def test_what_is_not_a_readable_file_is_refused_with_its_name(desk: Desk) -> None:
    (desk.folder / "folder.csv").mkdir()
    os.mkfifo(desk.folder / "pipe.csv")
    (desk.folder / "dangling.csv").symlink_to("nowhere")
    (desk.folder / "loop.csv").symlink_to("loop.csv")
    desk.write("file.csv", "x")
    assert refusal(desk, "none.csv") == "none.csv does not exist."
    assert refusal(desk, "*.none", "latest") == "No file matches *.none."
    assert refusal(desk, "folder.csv") == "folder.csv is a folder."
    assert refusal(desk, "pipe.csv") == "pipe.csv is not a regular file."
    assert refusal(desk, "dangling.csv") == "dangling.csv is a link to a file that does not exist."
    assert refusal(desk, "loop.csv").startswith("loop.csv cannot be read: ")
    assert refusal(desk, "file.csv/x.csv").startswith("file.csv/x.csv cannot be read: ")
    assert refusal(desk, "n" * 300 + ".csv").endswith("cannot be read: File name too long.")


@pytest.mark.parametrize("pattern", ["a\0b.csv", "a\ud800.csv", "*\0.csv", "\0[", "*\ud800.csv"])
def test_a_name_no_file_can_have_is_refused_and_not_a_crash(desk: Desk, pattern: str) -> None:
    what = "No file matches" if "*" in pattern or "[" in pattern else "cannot be the name of a data file"
    assert what in refusal(desk, pattern)


def test_a_file_name_that_is_not_utf8_is_refused(desk: Desk) -> None:
    desk.write(os.fsdecode(b"a\xff.csv"), "x")
    assert "cannot be the name of a data file" in refusal(desk, "a*.csv", "latest")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_this_user_may_not_read_is_refused(desk: Desk) -> None:
    desk.write("a.csv", "x").chmod(0)
    assert refusal(desk, "a.csv") == "a.csv cannot be read: Permission denied."


def test_other_endings_are_refused_and_the_hint_names_the_right_ones(desk: Desk) -> None:
    desk.write("a.xlsx", "x")
    with pytest.raises(ModelError, match=r"a\.xlsx does not end in \.csv or \.tsv") as caught:
        resolve(desk.dataset("a.xlsx"))
    assert ".csv" in caught.value.hint


def test_joined_files_may_not_mix_commas_and_tabs(desk: Desk) -> None:
    desk.write("a.csv", "x")
    desk.write("a.tsv", "x")
    assert "mix .csv and .tsv" in refusal(desk, "a.*", "all")


def test_an_address_that_no_source_knows_is_refused_without_its_query(desk: Desk) -> None:
    told = refusal(desk, "ftp://127.0.0.1/a.csv?signature=canary")
    assert told == "ftp://127.0.0.1/a.csv cannot be read: no data is known by such an address."


@pytest.mark.parametrize("way", ["same", "symlink", "hardlink"])
def test_one_file_cannot_be_training_and_evaluation_data(desk: Desk, way: str) -> None:
    train = desk.write("train.csv", "x")
    evaluation = Path("train.csv") if way == "same" else Path("eval.csv")
    if way == "symlink":
        (desk.folder / evaluation).symlink_to(train)
    if way == "hardlink":
        (desk.folder / evaluation).hardlink_to(train)
    with pytest.raises(ModelError, match="is both training and evaluation data"):
        resolve(desk.dataset("train.csv", str(evaluation)))


@pytest.mark.parametrize("secret", ["passwd", "id_ed25519", "token.txt"])
def test_a_link_out_of_the_checkout_makes_no_data_of_another_file(desk: Desk, secret: str) -> None:
    checkout = desk.folder / "checkout"
    (checkout / ".git").mkdir(parents=True)
    desk.write(secret, "canary\n")
    (checkout / "train.csv").symlink_to(f"../{secret}")
    with pytest.raises(ModelError, match="leads out of its checkout"):
        resolve(dataset(source(checkout, "train.csv")))


def test_a_link_to_data_elsewhere_and_to_any_file_of_the_checkout_is_followed(desk: Desk) -> None:
    checkout = desk.folder / "checkout"
    (checkout / ".git").mkdir(parents=True)
    desk.write("real.csv", "x")
    desk.write("checkout/d41d8cd9", "x")
    for name, target in (("far.csv", "../real.csv"), ("near.csv", "d41d8cd9")):
        (checkout / name).symlink_to(target)
        with resolve(dataset(source(checkout, name))).train.parts[0].open() as file:
            assert file.read() == b"x"
