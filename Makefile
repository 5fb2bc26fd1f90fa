# make demo    run-time-only install, and the main job on the embedded dataset, to a verdict
# make test    full install, then everything that CI runs
# make debian  install the Debian packages that some tests need (needs root)
# make check   what `make test` runs, without the install
# make zoo     export the trained checkpoints under runs/ again into the zoo
# make results run what is trained under runs/ on every target, and table it (needs TINYEDGE_DATA)
# make paper   the study from the committed predictions: figures, tables, docs/study.md (needs TINYEDGE_DATA)

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test debian check package lint types imports tests zoo results paper clean

demo: .venv/runtime
	$(BIN)/tinyedge validate --target tflite-int8 --params 50k --data shapes

test: .venv/full debian
	$(MAKE) check

# What the tests of the HTML report (a browser), of firmware (compiler, C library, emulator) and of documents' C (the
# machine's own compiler) need; where it cannot
# be installed they are skipped, by name.
PROGRAMS := chromium arm-none-eabi-gcc qemu-system-arm gcc
PACKAGES := chromium gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc libc6-dev
debian:
	( for program in $(PROGRAMS); do command -v $$program >/dev/null || exit 1; done ) || [ "$$(id -u)" != 0 ] || \
	  { apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); }

check: lint types imports tests

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# Types and import rules are checked on the built package: the mapped folders are part of it only there.
package:
	rm -rf build
	$(PIP) --no-deps --no-build-isolation --target build/package .
	rm -rf build/lib build/bdist*

types: package
	cd build/package && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p tinyedge

imports: package
	cd build/package && ../../$(BIN)/lint-imports --no-cache --config ../../pyproject.toml

tests:
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered --sort=cover | tail -n 40

zoo: .venv/full
	$(BIN)/python benchmarks/zoo/build.py

RESULTS := benchmarks/results
results: .venv/full
	set -e; for data in cifar100 shapes; do \
	  $(BIN)/tinyedge sweep --data $$data --merge $(RESULTS)/$$data --no-train \
	    --targets onnx-fp32,tflite-int8,tflite-int8-reference,tflite-int8-xnnpack,tflm-int8; \
	  $(BIN)/python $(RESULTS)/collect.py runs/$$data; \
	  $(BIN)/python $(RESULTS)/table.py --data $$data > $(RESULTS)/$$data.md.new; \
	  mv $(RESULTS)/$$data.md.new $(RESULTS)/$$data.md; \
	done

paper: .venv/full
	$(BIN)/python benchmarks/paper/build.py

# One environment, brought up step by step: the stamps say how far.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[mcu]'
	touch $@

.venv/full: .venv/runtime
	$(PIP) --editable '.[all,executorch,dev]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage
