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
)
