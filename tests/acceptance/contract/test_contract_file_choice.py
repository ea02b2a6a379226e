"""A file that a pattern leaves out is named each night, also when nothing is to be trained."""

from tests.acceptance.contract.contract_project import Project, rows


def test_a_newer_file_in_another_letter_case_is_named_though_nothing_is_trained(project: Project) -> None:
    project.add("house")
    project.manifest["datasets"]["house"] = {"train": {"glob": "data/h_*.csv", "pick": "latest"}}
    project.save()
    for name in ("h_9", "h_10"):
        project.write_data(name, rows(seed=len(name)))
    project.run()
    assert (project.entry("house")["dataset"]["train"]["source"], project.entry("house")["warnings"]) == (
        "data/h_10.csv",
        [],
    )
    (project.folder / "data" / "h_11.CSV").write_bytes(rows(seed=7))
    assert "h_11.CSV is left out" in project.retrain("plan", "models.yaml").out
    project.run()
    assert project.outcomes() == {"house": "unchanged"}
    assert "h_11.CSV is left out" in project.entry("house")["warnings"][0]
    assert len(project.service.accepted("house")) == 1


def test_other_line_ends_train_nothing_where_rows_are_compared(project: Project) -> None:
    project.add("house", retrain={"compare": "rows"})
    project.run()
    project.write_data("house", b"\xef\xbb\xbf" + rows().replace(b"\n", b"\r\n"))
    project.run()
    assert project.outcomes() == {"house": "unchanged"}
    assert "but for the line ends and the byte order mark" in project.entry("house")["reason"]
    project.write_data("house", rows(seed=1))
    project.run()
    assert len(project.service.accepted("house")) == 2
