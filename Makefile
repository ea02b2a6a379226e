# Every target is a task of the script `dev`, which needs nothing but Python 3.11.
# `make bench BENCH=upload` measures one line; ARGS are handed on to any task: `make bench ARGS=--quick`.
PYTHON ?= python3
TASKS = setup demo test lint format bench torture realities docs clean

.PHONY: $(TASKS)
$(TASKS):
	@$(PYTHON) dev $@ $(if $(filter bench,$@),$(BENCH)) $(ARGS)
