# `make up` starts everything for a newcomer, `make test` runs all tests, `make check` holds the code to its rules.
# Each sets up what it needs: a virtual environment in .venv, filled from the locked requirements.

# What .venv is made with; without it, what scripts/find-python says.
PYTHON ?=
RUN := .venv/bin
UP ?=
SPLIT ?=

.PHONY: up engines test test-here test-split check format bench bench-gateway bench-shapes bench-events \
	bench-booking prove prove-a-tenth lock clean

# `make up SPLIT=1`: every service its own process, on the engines that the environment names
# (scripts/engines start prints them).
up: $(if $(SPLIT),.venv/engines.stamp,.venv/run.stamp)
	@$(RUN)/hometrip up $(if $(SPLIT),--split) $(UP)

# The real engines for tests, benchmarks and SPLIT=1: docs/how-to/run-the-engines.md says what is installed.
engines:
	@scripts/engines get $(ARGS)

# A run starts hundreds of Python processes: what is compiled is kept, also where the environment forbids it.
test test-here test-split prove prove-a-tenth: export PYTHONDONTWRITEBYTECODE :=

# Both of the next in one run, so that the ones compute while the others wait. Four at a time on two cores: a good part
# of the tests wait for a disk, an engine or a deadline.
test: .venv/dev.stamp
	@$(call with_timed_alone,not full,$(ILL),-n 4 $(BY_FILE))

# In one process, on embedded engines, and each adapter on its real engine where that is installed.
test-here: .venv/dev.stamp
	@$(RUN)/python -m pytest -q -n 3 $(BY_FILE) $(ARGS)

# The journeys through many processes on real engines; the tests of one house one after the other.
test-split: .venv/dev.stamp
	@$(call with_timed_alone,split and not full,$(ILL),-n 2 --dist loadgroup)

# A file's tests share what they begin with, in one process; what takes long comes first.
BY_FILE := --dist loadfile --no-loadscope-reorder

# What holds many processes to seconds (TIMED) runs with nothing beside it, whatever came of the others.
ILL := tests/faults/test_engines_ill.py
TIMED := $(ILL) tests/faults/test_engines_fall.py tests/faults/test_kills.py tests/faults/test_rolling_restart.py
with_timed_alone = status=0; \
	$(RUN)/python -m pytest -q -m "$(1)" $(3) $(addprefix --ignore=,$(2)) $(ARGS) || status=$$?; \
	$(RUN)/python -m pytest -q -m "$(1)" $(2) $(ARGS) || status=$$?; \
	exit $$status

check: .venv/dev.stamp
	@$(RUN)/ruff format --check src tests benchmarks scripts
	@$(RUN)/ruff check src tests benchmarks scripts
	@$(RUN)/mypy
	@$(RUN)/lint-imports

format: .venv/dev.stamp
	@$(RUN)/ruff check --fix-only -q src tests benchmarks scripts
	@$(RUN)/ruff format -q src tests benchmarks scripts

bench: .venv/dev.stamp
	@$(RUN)/python -m benchmarks.marketplace $(ARGS)

# Beside their rivals: nginx and Express, one process and many, RabbitMQ, pgbench; benchmarks/README.md.
bench-gateway bench-shapes bench-events bench-booking: bench-%: .venv/dev.stamp
	@$(RUN)/python -m benchmarks.$* $(ARGS)

# T1, T2, T4, T5, T7, T19 and a smaller T3 at full size: a line a proof with its figure and seed, at the end. More
# than an hour; HOMETRIP_TEST_EXAMPLES=20 shortens those that count examples, HOMETRIP_TEST_SEED=… replays one.
prove: .venv/dev.stamp
	@$(call with_timed_alone,full,$(TIMED),-n 2 --dist loadgroup)

# T1, T4, T5 and T19 at a tenth, as CI shows them after the tests, the same cases each time.
prove-a-tenth: .venv/dev.stamp
	@HOMETRIP_TEST_SHARE=0.1 HOMETRIP_TEST_SEED=$${HOMETRIP_TEST_SEED-1} $(RUN)/python -m pytest -q -m full -n 2 --dist load $(PROVEN) $(ARGS)

PROVEN := tests/rules/test_cancellation_oracle.py tests/rules/test_price_oracle.py tests/rules/test_calendar_oracle.py \
	tests/rules/test_ahead.py tests/services/test_proof_of_races.py tests/services/test_payment_webhooks.py

# The locks name versions and hashes, and no registry.
lock:
	@uv pip compile pyproject.toml --group run --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -q -o requirements/run.txt
	@uv pip compile pyproject.toml --group run --extra engines --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -q -o requirements/engines.txt
	@uv pip compile pyproject.toml --group dev --extra engines --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -q -o requirements/dev.txt
	@uv pip compile requirements/engine-servers.in --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -q -o requirements/engine-servers.txt

.venv/bin/python:
	@python="$(PYTHON)"; test -n "$$python" || python="$$(scripts/find-python --quickest)"; \
	test -n "$$python" || { echo "HomeTrip needs Python 3.11 to 3.14, and none was found on the PATH." >&2; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "$$python is not Python 3.11 to 3.14." >&2; exit 1; }; \
	echo "Making a virtual environment in .venv with $$python"; \
	"$$python" -m venv .venv || { rm -rf .venv; echo "The virtual environment could not be made: is the disk full," \
		"or the venv module (python3-venv) missing?" >&2; exit 1; }

.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/bin/python
	@scripts/install run

.venv/engines.stamp: requirements/engines.txt pyproject.toml | .venv/bin/python
	@scripts/install engines

.venv/dev.stamp: requirements/dev.txt pyproject.toml | .venv/bin/python
	@scripts/install dev

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
