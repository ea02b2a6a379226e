# Every target is a task of the script `dev`, which needs nothing but Python 3.11.
PYTHON ?= python3
TASKS = setup demo test lint format bench torture docs clean

.PHONY: $(TASKS)
$(TASKS):
	@$(PYTHON) dev $@ $(ARGS)
