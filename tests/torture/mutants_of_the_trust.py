"""Mutants that take a defence of docs/explanation/trust.md away; an attack of `hostile/` must get through each."""

from tests.torture.mutant import Mutant

_HOSTILE = "tests/torture/test_hostile.py::test_an_attack_gets_no_further_than_the_trust_model_says"

_HYGIENE = "tests/unit/test_code_hygiene.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="the_emulator_unpickles_a_model_that_lies_in_its_data",
        file="runner/emulator/training/train.py",
        old="    recipe = _recipe(folder)\n    return _fit(_read(folder, recipe), recipe)\n",
        new=(
            "    for file in folder.path.iterdir():\n"
            "        if file.read_bytes()[:1] in (b'\\x80', b'c'):\n"
            "            return __import__('pickle').loads(file.read_bytes())\n"
            "    recipe = _recipe(folder)\n    return _fit(_read(folder, recipe), recipe)\n"
        ),
        caught_by=_HOSTILE + "[a pickle in the emulator's data]",
    ),
    Mutant(
        name="the_emulator_believes_any_job_id",
        file="runner/emulator/state.py",
        old="        if self._all(_FOREIGN):",
        new="        if False:",
        caught_by=_HOSTILE + "[a job id of the emulator that is a path]",
    ),
    Mutant(
        name="the_emulator_goes_through_links",
        file="runner/emulator/data_folder.py",
        old="            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):",
        new="            if False:",
        caught_by=_HOSTILE + "[a link in the emulator's data]",
    ),
    Mutant(
        name="a_key_command_gets_the_whole_environment",
        file="runner/credentials.py",
        old="        env=command_environment(),",
        new="        env=dict(os.environ),",
        caught_by=_HOSTILE + "[a key command that looks around]",
    ),
    Mutant(
        name="the_emulator_gets_the_whole_environment",
        file="runner/emulator/launch.py",
        old="            env=python_environment(),",
        new='            env={**os.environ, "PYTHONUTF8": "1"},',
        caught_by=_HOSTILE + "[a secret on its way to the emulator]",
    ),
    Mutant(
        name="a_star_alone_names_every_variable",
        file="runner/child_environment.py",
        old='r"[A-Za-z_][A-Za-z0-9_]*\\*?"',
        new='r"[A-Za-z0-9_]*\\*?"',
        caught_by="tests/unit/test_child_environment.py::test_a_command_gets_what_the_operator_names",
    ),
    Mutant(
        name="the_emulator_takes_modules_from_the_folder_one_stands_in",
        file="runner/emulator/launch.py",
        old='PROGRAM = (sys.executable, "-P", "-m"',
        new='PROGRAM = (sys.executable, "-m"',
        caught_by=_HOSTILE + "[modules in the folder one stands in]",
    ),
    Mutant(
        name="a_training_process_takes_modules_from_the_folder_one_stands_in",
        file="runner/emulator/trainings.py",
        old='[sys.executable, "-P", "-m", "runner.emulator.worker"]',
        new='[sys.executable, "-m", "runner.emulator.worker"]',
        caught_by=_HOSTILE + "[modules in the folder one stands in]",
    ),
    Mutant(
        name="sqlite_removes_what_the_journal_of_a_state_names",
        file="runner/journal/store.py",
        old="    check_rollback_journal(path)\n",
        new="",
        caught_by=_HOSTILE + "[a rollback journal that names a file]",
    ),
    Mutant(
        name="sqlite_removes_what_the_journal_of_the_emulator_names",
        file="runner/emulator/state.py",
        old="        check_rollback_journal(file)\n",
        new="",
        caught_by=_HOSTILE + "[a rollback journal of the emulator that names a file]",
    ),
    Mutant(
        name="pipelines_install_whatever_is_named",
        file="runner/app/init.py",
        old="    if requirement is not None and not is_pinned(requirement):",
        new="    if False:",
        caught_by=_HOSTILE + "[a requirement that can become something else]",
    ),
    Mutant(
        name="a_tag_is_as_good_as_a_commit",
        file="runner/app/pinned_source.py",
        old="{_PART}+@[0-9a-f]{{40}}",
        new="{_PART}+@{_PART}+",
        caught_by="tests/acceptance/places/test_init.py::test_a_requirement_that_can_become_something_else_is_refused",
    ),
    Mutant(
        name="pipelines_ask_an_index_for_the_runners_name",
        file="runner/app/init.py",
        old="source or NOT_SET",
        new='source or "retrain-runner==1.0"',
        caught_by=_HOSTILE + "[pipelines of an installation without a source]",
    ),
    Mutant(
        name="a_pipelines_image_is_whatever_its_tag_says",
        file="runner/app/scaffold/project.dockerfile",
        old="@sha256:b685a4fa58bb19d1814d78a1ec0f0208f351452724f78b20212c984d6e124a34",
        new="",
        caught_by=(
            "tests/acceptance/places/test_schedules.py::"
            "test_an_image_starts_from_a_release_by_its_digest_and_runs_as_nobody_special"
        ),
    ),
    Mutant(
        name="a_module_imports_pickle_again",
        file="runner/emulator/training/fitting.py",
        old="from typing import Any\n",
        new="import pickle  # noqa: F401, S403\nfrom typing import Any\n",
        caught_by=f"{_HYGIENE}::test_no_line_makes_code_of_data_or_starts_a_program_without_an_environment",
    ),
    Mutant(
        name="a_program_is_started_with_whatever_is_there",
        file="runner/emulator/trainings.py",
        old='            env={**python_environment(), "OMP_NUM_THREADS": "1"},  #',
        new="            #",
        caught_by=f"{_HYGIENE}::test_no_line_makes_code_of_data_or_starts_a_program_without_an_environment",
    ),
    Mutant(
        name="git_reads_the_configuration_of_the_repository",
        file="runner/git/stored.py",
        old='"GIT_DIR": str(self._folder)',
        new='"GIT_DIR": str(self._checkout.git_dir)',
        caught_by=_HOSTILE + "[a filter runs a program]",
    ),
    Mutant(
        name="git_checks_signatures_by_programs_of_the_repository",
        file="runner/git/stored.py",
        old='return {"GIT_DIR": str(self._folder)',
        new='return {"GIT_DIR": str(self._checkout.git_dir)',
        caught_by=_HOSTILE + "[a signature runs a program]",
    ),
    Mutant(
        name="git_runs_the_hooks_of_a_repository",
        file="runner/git/process.py",
        old='    "core.hooksPath=/dev/null",\n',
        new="",
        caught_by=_HOSTILE + "[a hook runs a program]",
    ),
    Mutant(
        name="git_is_started_from_the_current_folder",
        file="runner/child_environment.py",
        old="os.pathsep.join(one for one in places if Path(one).is_absolute())",
        new="os.pathsep.join(places)",
        caught_by=_HOSTILE + "[a checkout has a program git]",
    ),
    Mutant(
        name="the_checkout_of_the_approvals_is_asked",
        file="runner/app/approval_provenance.py",
        old=" or top_level(path.parent) != checkout.top",
        new="",
        caught_by=_HOSTILE + "[another repository knows the approval]",
    ),
    Mutant(
        name="the_repository_says_whose_signatures_are_good",
        file="runner/git/stored.py",
        old='(folder / "config").write_text(_CONFIG.format(checkout.object_format), encoding="utf-8")',
        new='(folder / "config").write_bytes((checkout.common_dir / "config").read_bytes())',
        caught_by=_HOSTILE + "[a repository names its own signers]",
    ),
    Mutant(
        name="an_object_may_have_another_name_than_its_content",
        file="runner/app/git_commit.py",
        old=" or _id(kind, found[1], object_format) != name",
        new="",
        caught_by=_HOSTILE + "[a signed commit shows another file]",
    ),
    Mutant(
        name="whoever_committed_last_brought_the_file",
        file="runner/app/approval_provenance.py",
        old="return found if found.file == file and file not in before else None",
        new="return found",
        caught_by=_HOSTILE + "[a signed commit shows another file]",
    ),
    Mutant(
        name="an_approval_is_by_whom_it_names",
        file="runner/plan/approver.py",
        old="        return source.author\n",
        new="        return source.approver\n",
        caught_by=_HOSTILE + "[an approval names another approver]",
    ),
    Mutant(
        name="another_approver_is_not_warned_of",
        file="runner/plan/approver.py",
        old="    elif not is_named(source):",
        new="    elif False:",
        caught_by=_HOSTILE + "[an approval names another approver]",
    ),
    Mutant(
        name="a_repository_in_the_state_vouches_for_it",
        file="runner/app/git_notes.py",
        old="if inside is not None and any(place.is_relative_to(inside) for place in found.places):",
        new="if False:",
        caught_by=_HOSTILE + "[a state brings its repository]",
    ),
    Mutant(
        name="a_link_hides_that_a_repository_is_in_the_state",
        file="runner/app/git_notes.py",
        old="any(place.is_relative_to(inside) for place in found.places)",
        new="found.top.is_relative_to(inside)",
        caught_by=_HOSTILE + "[a state brings its repository]",
    ),
    Mutant(
        name="a_head_of_the_state_vouches_for_it",
        file="runner/app/anchoring.py",
        old="return path.resolve().is_relative_to(folder.resolve())",
        new="return False",
        caught_by=_HOSTILE + "[a state brings its head]",
    ),
    Mutant(
        name="a_link_hides_that_a_head_is_in_the_state",
        file="runner/app/anchoring.py",
        old="return path.resolve().is_relative_to(folder.resolve())",
        new="return path.absolute().is_relative_to(folder.absolute())",
        caught_by=_HOSTILE + "[a state brings its head]",
    ),
    Mutant(
        name="a_key_in_the_state_vouches_for_it",
        file="runner/app/trust.py",
        old="    if foreign_to is not None:\n        _refuse",
        new="    if False:\n        _refuse",
        caught_by=_HOSTILE + "[a state brings its key]",
    ),
    Mutant(
        name="a_note_on_any_commit_vouches_for_a_run",
        file="runner/app/anchoring.py",
        old="    if recorded not in (None, one.commit):",
        new="    if False:",
        caught_by=_HOSTILE + "[a run is of another commit than its note]",
    ),
    Mutant(
        name="verify_does_not_say_for_what_nobody_vouches",
        file="runner/cli/verify.py",
        old="    if found.anchored_events < found.events:",
        new="    if False:",
        caught_by=_HOSTILE + "[a journal goes on after its anchor]",
    ),
    Mutant(
        name="a_remote_shows_its_token",
        file="runner/app/git_notes.py",
        old="remote=without_userinfo(remote) if remote else None,",
        new="remote=remote,",
        caught_by=_HOSTILE + "[a journal goes on after its anchor]",
    ),
    Mutant(
        name="a_remote_without_a_scheme_shows_its_token",
        file="runner/app/git_notes.py",
        old="    if not parts.netloc:",
        new="    if not parts.scheme or not parts.netloc:",
        caught_by=_HOSTILE + "[a journal goes on after its anchor]",
    ),
    Mutant(
        name="the_environment_says_who_acts",
        file="runner/journal/lock.py",
        old="pwd.getpwuid(os.getuid()).pw_name",
        new='os.environ.get("USER") or pwd.getpwuid(os.getuid()).pw_name',
        caught_by=_HOSTILE + "[the environment says who acts]",
    ),
    Mutant(
        name="a_pipeline_says_who_acts",
        file="runner/app/session.py",
        old="actor=current_user(),\n            ci_actor=",
        new='actor=getattr(ci_actor(), "name", current_user()),\n            ci_actor=',
        caught_by=_HOSTILE + "[the environment says who acts]",
    ),
)
