# make lab   opens the course in JupyterLab          make test   checks it, in ten minutes
# Every target first sets up .venv where it is missing or older than pyproject.toml or constraints.txt.
export PYTHONDONTWRITEBYTECODE :=  # else every test, kernel and worker compiles everything once more
PYTHON ?= python3
BIN := .venv/bin
WORKERS := $(BIN)/pytest -n auto --maxprocesses 4
# Open in notebooks/, and start for root too (a container), which JupyterLab refuses unless told.
LAB := --ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test test-all test-colab notebooks checkpoint exercises bench docs colab-bundle

lab: .venv/ready  ## make lab ARGS="--no-browser --port 8899"
	$(BIN)/jupyter lab $(LAB) $(ARGS)

test test-all: .venv/ready  ## make test ARGS="-k flows": what belongs to flows; ARGS="-n 0 -x": one after the other, up to the first failure
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(WORKERS) --dist loadgroup --no-loadscope-reorder $(if $(filter test,$@),-m "not slow") tests $(ARGS)
	OMP_NUM_THREADS=1 $(WORKERS) --dist loadfile --nbval solutions $(ARGS) $(if $(ARGS),|| [ $$? = 5 ])  # 5: ARGS chose no cell

test-colab: .venv-colab/ready colab-bundle  ## lectures and solutions on Colab's versions
	.venv-colab/bin/python tests/colab.py

notebooks: .venv/ready  ## make notebooks ARGS=02_autoencoders; REPO=https://github.com/OWNER/NAME stamps a fork's address
	$(BIN)/python -m course_lib.authoring notebooks $(if $(REPO),--repo '$(REPO)') $(ARGS)

checkpoint: .venv/ready  ## make checkpoint ARGS=vae: train it anew, and refresh its numbers wherever they are shown
	$(BIN)/python -m course_lib.authoring checkpoint $(ARGS)

exercises: .venv/ready
	$(BIN)/python -m course_lib.authoring exercises

bench: .venv/ready-bench
	for script in $(filter-out benchmarks/timing.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || failed=1; done; exit $${failed:-0}

docs: .venv/ready-docs  ## a static site in docs/_site
	$(BIN)/python docs/build.py

colab-bundle: .venv/ready  ## one wheel, weights inside, to put in Colab's /content
	rm -rf build dist && $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) course_lib/make.py setup

.venv/ready-%: .venv/ready
	$(BIN)/pip install -c constraints.txt -e '.[$*]'
	@touch $@

.venv-colab/ready: tests/colab-constraints.txt constraints.txt
	$(PYTHON) -m venv --clear .venv-colab
	.venv-colab/bin/pip install "$$(grep '^torch==' constraints.txt)" -r tests/colab-constraints.txt
	@touch $@
