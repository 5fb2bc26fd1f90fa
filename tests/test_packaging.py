"""The wheel holds every package and the zoo, and every module imports in a run-time-only environment."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "ray",
    "torch",
    "torchvision",
    "tensorflow",
    "litert_torch",
    "ai_edge_quantizer",
    "safetensors",
    "tflite_micro",
    "bakenn",
    "tflite",
)
# Modules of the train and export extras: whoever asks for them has torch.
_TRAINING = (
    "autotune", "batches", "checkpoint", "graph", "kernels", "loop", "nets", "quantized", "start", "steps", "together",
    "tune",
)  # fmt: skip
NEED_TORCH = {f"tinyedge.train.{name}" for name in _TRAINING}


def modules():
    for package in ("tinyedge", "tinyedge.exporters", "tinyedge.targets"):
        folder = ROOT / package.split(".")[-1]
        for path in sorted(folder.rglob("*.py")):
            parts = [*package.split("."), *path.relative_to(folder).with_suffix("").parts]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_wheel_holds_all_of_it_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {n.split("/")[0] for n in names if ".dist-info/" not in n} == {"tinyedge"}
    expected = {m.replace(".", "/") for m in modules()}
    assert {f"{e}.py" in names or f"{e}/__init__.py" in names for e in expected} == {True}
    shipped = (p for p in (ROOT / "tinyedge" / "zoo").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    zoo = {str(p.relative_to(ROOT)) for p in shipped}
    assert zoo <= names
    firmware = {p.name for p in (ROOT / "targets" / "firmware").iterdir()}
    assert {f"tinyedge/targets/firmware/{name}" for name in firmware} <= names
    boards = {p.name for p in (ROOT / "targets" / "boards").glob("*.toml")}
    assert {f"tinyedge/targets/boards/{name}" for name in boards} <= names
    assert {f"tinyedge/report/templates/report.{kind}" for kind in ("html", "css", "js")} <= names
    assert not [n for n in names if "__pycache__" in n]
    assert "tinyedge/py.typed" in names


def run_bare(code, tmp_path):
    """Python with the heavy packages made unimportable: what a run-time-only install sees."""
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    return run(block + code, tmp_path)


def run(code, folder):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)


def test_every_module_imports_without_the_extras(tmp_path):
    names = [m for m in modules() if m not in NEED_TORCH and not m.endswith("__main__")]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    result = run_bare(code, tmp_path)
    assert result.returncode == 0, result.stderr


COMMANDS = (
    "",
    "validate",
    "report",
    "compare",
    "policy",
    "policy init",
    "policy check",
    "power",
    "family",
    "firmware",
    "data",
    "data pack",
    "data info",
    "train",
    "sweep",
    "evaluate",
    "export",
    "targets",
    "doctor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_works_without_the_extras_and_shows_an_example(command, tmp_path):
    arguments = [*command.split(), "--help"]
    result = run_bare(f"from tinyedge.cli.main import main; main({arguments!r})", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    if command not in ("", "data", "policy"):
        assert f"tinyedge {command} " in result.stdout, "an example"


def test_help_loads_no_heavy_package(tmp_path):
    code = (
        "from tinyedge.cli.main import run; run(['validate', '--help']); import sys\n"
        "assert not {'torch', 'tensorflow', 'scipy.stats', 'onnxruntime', 'ai_edge_litert'} & set(sys.modules)"
    )
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
