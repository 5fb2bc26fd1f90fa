"""The GitHub Action: its scripts, run as a runner runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
SCRIPTS = {name: step for name, step in STEPS.items() if "run" in step}


@pytest.fixture
def runner(tmp_path):
    """A runner's files, and ``tinyedge`` where the action installs it: this one, or a script in its place."""

    class Runner:
        temp, summary, output = tmp_path / "temp", tmp_path / "summary", tmp_path / "output"

        def install(self, script):
            path = self.temp / "tinyedge" / "bin" / "tinyedge"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script)
            path.chmod(0o755)

        def run(self, name, **values):
            inputs = {key: str(spec["default"]) for key, spec in ACTION["inputs"].items()} | {"data": "shapes"}
            step = SCRIPTS[name]
            environment = {key: filled(value, inputs) for key, value in step["env"].items()}
            environment |= {key.upper(): value for key, value in values.items()}
            files = {"RUNNER_TEMP": self.temp, "GITHUB_STEP_SUMMARY": self.summary, "GITHUB_OUTPUT": self.output}
            return subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
                env=os.environ | {key: str(path) for key, path in files.items()} | environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )

        def outputs(self):
            return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    made = Runner()
    made.install(f'#!/bin/sh\nexec {sys.executable} -m tinyedge "$@"\n')
    return made


def filled(value, inputs):
    """An expression's value; those of other contexts are given by the test."""
    found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
    return inputs[found[1]] if found else ""


STUB = """#!/bin/bash
if [ "$1" = validate ]; then
  printf '%s\\n' "$@" > arguments
  exit {code}
fi
mkdir -p "${{@: -1}}"
echo "# summary" > "${{@: -1}}/report.md"
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_input_becomes_part_of_a_script(name):
    step = SCRIPTS[name]
    assert "${{" not in step["run"]
    assert step["shell"] == "bash"
    subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_every_input_is_used_and_described():
    text = (ROOT / "action.yml").read_text()
    for name, spec in ACTION["inputs"].items():
        assert f"inputs.{name} " in text or f"inputs.{name}}}" in text, name
        assert spec["description"]
        assert isinstance(spec["default"], str)


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "PASS"), (1, "FAIL"), (3, "INCONCLUSIVE"), (2, "ERROR"), (4, "ERROR"), (70, "ERROR")]
)
def test_each_exit_code_is_a_verdict_and_the_step_itself_goes_on(runner, code, verdict):
    runner.install(STUB.format(code=code))
    done = runner.run("Validate", params="50k")
    assert done.returncode == 0, done.stderr
    assert runner.outputs() == {"verdict": verdict, "exit-code": str(code)}
    summary = runner.summary.read_text()
    assert ("# summary" in summary) == (verdict != "ERROR")
    assert (f"exit code {code}" in summary) == (verdict == "ERROR")


def test_nobody_is_judged_on_the_synthetic_set_by_mistake(runner):
    done = runner.run("Validate", params="50k", data="")
    assert done.returncode == 0, "the last step fails"
    assert "'data' is missing" in done.stdout
    assert runner.outputs() == {"verdict": "ERROR", "exit-code": "2"}
    assert "data is missing" in runner.summary.read_text()
    assert runner.run("Verdict", code=runner.outputs()["exit-code"]).returncode == 2


def test_an_output_is_never_empty():
    """Also where the first step failed, and there are none of the second."""
    values = {name: spec["value"] for name, spec in ACTION["outputs"].items()}
    assert values == {
        "verdict": "${{ steps.run.outputs.verdict || 'ERROR' }}",
        "exit-code": "${{ steps.run.outputs.exit-code || '70' }}",
    }


def test_values_stay_whole(runner, tmp_path):
    runner.install(STUB.format(code=0))
    hostile = "--policy=$(touch owned); `touch owned` \"' x"
    done = runner.run("Validate", deployed=hostile, normalize="-1..1", arguments="--seed=1\n\n--no-probe")
    assert done.returncode == 0, done.stderr
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments == [
        "validate",
        "--target=tflite-int8",
        f"--deployed={hostile}",
        "--normalize=-1..1",
        "--data=shapes",
        "--out=tinyedge-reports",
        "--report=html,junit,md,intoto",
        "--seed=1",
        "--no-probe",
    ]
    assert not (tmp_path / "owned").exists()


def test_nothing_that_a_run_prints_is_a_command(runner):
    runner.install(STUB.format(code=0).replace("exit 0", "echo '::error::owned'; exit 0"))
    lines = runner.run("Validate").stdout.splitlines()
    stop = re.fullmatch(r"::stop-commands::([0-9a-f-]{36})", lines[0])
    assert lines.index("::error::owned") < lines.index(f"::{stop[1]}::")


@pytest.mark.parametrize(
    ("code", "strict", "exit_code", "said"),
    [
        ("0", "true", 0, ""),
        ("1", "false", 1, "::error"),
        ("3", "true", 3, "::error"),
        ("3", "false", 0, "::warning"),
        ("2", "false", 2, "::error"),
        ("", "false", 70, "::error"),
    ],
)
def test_the_last_step_decides(runner, code, strict, exit_code, said):
    done = runner.run("Verdict", code=code, fail_on_inconclusive=strict)
    assert done.returncode == exit_code
    assert done.stdout.startswith(said)
    assert bool(done.stdout) == bool(said)


def test_a_real_run(runner, tmp_path):
    done = runner.run("Validate", params="20k", images="300", arguments="--parity=0")
    assert done.returncode == 0, done.stderr
    verdict = runner.outputs()["verdict"]
    assert verdict in ("PASS", "FAIL", "INCONCLUSIVE"), done.stdout + done.stderr
    assert verdict in runner.summary.read_text().splitlines()[0]
    written = {path.name for path in (tmp_path / "tinyedge-reports").iterdir()}
    assert written == {"run.json", "report.html", "junit.xml", "report.md", "statement.intoto.json"}


def blocks(name):
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)]


def test_the_documented_workflows_use_inputs_that_there_are():
    used = []
    for document in blocks("docs/ci.md"):
        for job in document.get("jobs", {}).values():
            used += [step for step in job["steps"] if "tinyedge@" in step.get("uses", "")]
    assert used
    for step in used:
        assert set(step["with"]) <= set(ACTION["inputs"])


def test_every_documented_install_is_pinned():
    scripts = [line for document in blocks("docs/ci.md") for line in document.get("validate", {}).get("script", [])]
    installs = [line for line in scripts if line.startswith("pip install")]
    assert installs
    for line in installs:
        assert "--constraint" in line
