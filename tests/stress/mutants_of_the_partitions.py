"""Mutants of a state in partitions: a model in two of them, a share that is another's, a history that is not found."""

from tests.stress.mutant import Mutant

_SHARDS = "tests/unit/app/test_app_shards.py::"
_TOGETHER = "tests/unit/app/test_app_side_by_side.py::"
_STORES = "tests/unit/journal/test_journal_state_stores.py::"
_CONTRACT = "tests/acceptance/contract/test_contract_shards.py::"
_HOMES = "runner/app/state/partitions.py"
_EXECUTION = "runner/app/run/execution.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a_run_that_waits_for_a_partition_holds_those_after_it",
        file="runner/app/run/side_by_side.py",
        old="    _let_go([stack for stack, _ in found[len(opened) :]], far=True)\n",
        new="    stacks[:] = [stack for stack, _ in found]\n",
        caught_by=_TOGETHER + "test_who_waits_for_a_partition_holds_those_before_it_and_none_after_it",
    ),
    Mutant(
        name="a_run_waits_for_all_partitions_at_once",
        file="runner/app/run/side_by_side.py",
        old="stack.enter_context(hold(timedelta(0)))",
        new="stack.enter_context(hold(timedelta(seconds=9)))",
        caught_by=_TOGETHER + "test_who_waits_for_a_partition_holds_those_before_it_and_none_after_it",
    ),
    Mutant(
        name="a_model_is_where_the_length_of_its_name_says",
        file="runner/journal/partitions.py",
        old='int.from_bytes(digest, "big") % partitions',
        new="len(model) % partitions",
        caught_by=_SHARDS + "test_where_a_history_begins_never_changes",
    ),
    Mutant(
        name="a_model_is_where_its_place_in_the_manifest_says",
        file=_HOMES,
        old="known.get(moves.get(name, name), home_by_name(name, count)) for name in manifest.models",
        new="number % count for number, name in enumerate(manifest.models)",
        caught_by=_CONTRACT + "test_a_renamed_model_keeps_its_history_in_the_partition_where_it_began",
    ),
    Mutant(
        name="a_renamed_model_is_where_its_new_name_says",
        file=_HOMES,
        old="known.get(moves.get(name, name), home_by_name(name, count))",
        new="home_by_name(name, count)",
        caught_by=_CONTRACT + "test_a_renamed_model_keeps_its_history_in_the_partition_where_it_began",
    ),
    Mutant(
        name="the_share_is_counted_from_zero",
        file="runner/app/planning/shards.py",
        old="partition % self.of == self.number - 1",
        new="partition % self.of == self.number",
        caught_by=_SHARDS + "test_each_partition_is_of_exactly_one_shard[3]",
    ),
    Mutant(
        name="a_shard_carries_out_the_plan_of_another",
        file="runner/app/planning/shards.py",
        old="    if planned is not None and shard.text != planned:\n",
        new="    if False:\n",
        caught_by=_CONTRACT + "test_a_plan_of_a_share_is_of_its_models_and_for_its_shard",
    ),
    Mutant(
        name="what_other_shards_do_makes_a_plan_stale",
        file="runner/app/run/planned_run.py",
        old="        if state.shard.takes(number)\n",
        new="",
        caught_by=_CONTRACT + "test_a_plan_is_carried_out_by_shards_each_its_share",
    ),
    Mutant(
        name="the_index_of_a_pod_is_taken_as_it_is",
        file="runner/app/planning/shards.py",
        old='f"{int(index) + 1}/{completions}"',
        new='f"{int(index)}/{completions}"',
        caught_by=_SHARDS + "test_a_pipelines_variables_say_which_shard_it_is[environment5-4/4]",
    ),
    Mutant(
        name="every_shard_has_the_whole_limit",
        file="runner/app/planning/shards.py",
        old="limit // self.of + (self.number <= limit % self.of)",
        new="limit",
        caught_by=_SHARDS + "test_the_shares_of_a_limit_are_the_limit[7]",
    ),
    Mutant(
        name="a_partition_is_the_state_of_a_run",
        file=_HOMES,
        old="    if place.number is None:\n        return\n    whole",
        new="    return\n    whole",
        caught_by=_CONTRACT + "test_what_no_shard_may_be_is_refused",
    ),
    Mutant(
        name="a_partition_that_is_an_older_copy_of_itself_is_used",
        file=_HOMES,
        old="    for number, lost in _older(partitions, found).items():\n",
        new="    for number, lost in dict[int, str]().items():\n",
        caught_by=_CONTRACT + "test_a_partition_that_is_an_older_copy_of_itself_is_refused_until_the_loss_is_accepted",
    ),
    Mutant(
        name="a_killed_run_stays_open_where_no_model_is",
        file="runner/app/run/run.py",
        old="        if any(run.report is None for run in before[number].runs.values()):\n",
        new="        if False:\n",
        caught_by=_CONTRACT + "test_what_a_kill_left_in_a_partition_without_a_model_is_closed_by_the_next_run",
    ),
    Mutant(
        name="only_the_names_that_left_a_models_own_partition_are_asked_for",
        file=_EXECUTION,
        old="vanished_jobs(manifest, (job.fleet or session.progress).known(service))",
        new="vanished_jobs(manifest, session.progress.known(service))",
        caught_by=_CONTRACT + "test_a_renamed_model_keeps_its_history_in_the_partition_where_it_began",
    ),
    Mutant(
        name="what_models_of_other_partitions_replaced_was_somebodys",
        file="runner/execute/switch.py",
        old="run.context.elsewhere.items() if name not in known_here",
        new="()",
        caught_by="tests/unit/execute/test_execute_old_answers.py::"
        "test_an_unclear_switch_is_settled_where_a_model_of_another_partition_was_switched_meanwhile",
    ),
    Mutant(
        name="a_decision_is_taken_to_the_first_partition",
        file=_HOMES,
        old="    return partitions[known.get(model, home_by_name(model, len(partitions)))]\n",
        new="    return partitions[0]\n",
        caught_by=_CONTRACT + "test_decisions_are_taken_where_the_model_is_also_while_its_shard_works[folder]",
    ),
    Mutant(
        name="a_state_is_begun_beside_partitions_whose_number_is_lost",
        file="runner/journal/folder.py",
        old="if not self.journal.exists() and self.parts.is_dir() and any(self.parts.iterdir()):",
        new="if False:",
        caught_by=_STORES + "test_a_state_whose_beginning_was_interrupted_is_none_until_it_is_begun_again[folder]",
    ),
)
