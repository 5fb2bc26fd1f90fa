"""``tinyedge repair``, from arguments to exit code, on shipped models and the embedded data."""

import json
import subprocess
import sys

import pytest

import tinyedge.data
from tests.support.overconfident import overconfident
from tinyedge.artifact import load_artifact, sidecar_path
from tinyedge.cli.main import run
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.gate.catalogue import GATES
from tinyedge.repair.steps import STEPS
from tinyedge.tempered import temperature_of
from tinyedge.zoo import FOLDER

ZOO = FOLDER / "shapes"


@pytest.fixture(autouse=True)
def embedded(monkeypatch, shapes_test):
    """The embedded test set, drawn once."""
    drawn = tinyedge.data.load_dataset
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)
    monkeypatch.setattr(
        "tinyedge.data.load_dataset",
        lambda name, split, **where: shapes_test if split == "test" else drawn(name, split, **where),
    )


@pytest.fixture(scope="module")
def sure(tmp_path_factory, zoo_entry):
    """The shipped int8 file, far too sure of itself: it fails the confidence gap and the calibration error."""
    return overconfident(zoo_entry.load("tflite-int8"), 2.5, tmp_path_factory.mktemp("sure") / "sure.tflite").path


@pytest.fixture
def base(sure):
    return ["repair", "--deployed", str(sure), "--data", "shapes", "--parity", "0"]


@pytest.fixture
def few(tmp_path):
    """A policy that a third of the images can settle, and a sample of so many."""
    path = tmp_path / "policy.toml"
    thin = "".join(f"[{gate}]\nmin_images_per_class = 5\n" for gate in ("worst_class", "bottom5", "inequality"))
    path.write_text(f"{thin}max_gini_rise = 0.05\n[ties]\nmax_tied_percent = 8\n")
    return ["--policy", str(path), "--images", "3000"]


@pytest.fixture
def alone(base):
    """Without a checkpoint: the float model to judge against, and nothing to export again."""
    return [*base, "--reference", str(ZOO / "scalecnn-c6-seed0.onnx")]


def test_a_file_alone_is_repaired_by_a_temperature_and_validate_agrees(alone, few, sure, tmp_path, capsys):
    out = tmp_path / "out"
    assert run([*alone, *few, "--out", str(out), "--report", "html,md"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("FAIL -> PASS  sure.tflite on tflite-int8")
    assert "synthetic" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80
    assert " ".join(printed.out.split()).count("not tried: needs --checkpoint") == 3
    assert "Wrote sure-repaired.tflite: temperature." in printed.out
    assert {path.name for path in out.iterdir()} == {
        "sure-repaired.tflite", "sure-repaired.tflite.tinyedge.json", "repair.json", "repair.html", "repair.md",
    }  # fmt: skip
    before, after = load_artifact(sure), load_artifact(out / "sure-repaired.tflite")
    assert before.size_bytes == after.size_bytes
    assert 2 < temperature_of(after) < 3, "what the file was scaled by, and what training left to mend"
    content = json.loads((out / "repair.json").read_text())
    assert content["trials"][1]["temperature"] == pytest.approx(temperature_of(after))
    assert content["trials"][1]["sha256"] == after.sha256
    assert content["split"] == {
        "tuning": 600, "judged": 2400, "seed": 0, "candidates": 1, "confidence": 0.95, "shared": 0.95,
        "given_shares": False,
    }  # fmt: skip
    again = ["validate", "--reference", str(ZOO / "scalecnn-c6-seed0.onnx"), "--data", "shapes", "--parity", "0"]
    assert run([*again, *few, "--no-probe", "--deployed", str(after.path)]) == 0
    told = after.origin["temperature"]
    assert told["reference"] == content["trials"][1]["reference_temperature"] < 1.2, "training's part alone"
    assert f"logits / {told['reference']:.4f}, fitted on 600 images" in " ".join(capsys.readouterr().out.split())
    assert told["reference_sha256"] == load_artifact(ZOO / "scalecnn-c6-seed0.onnx").sha256
    assert told["fitted_on"]["images"] == 600


def test_it_loads_neither_torch_nor_tensorflow_without_a_checkpoint(alone):
    code = (
        "import sys; from tinyedge.cli.main import run; "
        f"code = run({[*alone, '--images', '1000', '--format', 'json']!r}); "
        "loaded = [m for m in ('torch', 'tensorflow', 'litert_torch') if m in sys.modules]; "
        "print(code, loaded, file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert told.splitlines()[-1] in ("0 []", "1 []", "3 []")


def test_an_export_in_its_place_repairs_it_too(base, few, tmp_path, capsys):
    arguments = [*base, *few, "--params", "50k", "--steps", "balanced", "--out", str(tmp_path)]
    assert run([*arguments, "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["steps"] == ["balanced"]
    assert content["repaired"] == "sure-repaired.tflite"
    made = load_artifact(tmp_path / "sure-repaired.tflite")
    assert made.origin["representative"]["balanced"] is True
    assert made.sha256 == content["trials"][1]["sha256"]
    assert temperature_of(made) == 1


def test_what_passes_is_left_alone(base, few, zoo_entry, tmp_path, capsys):
    deployed, out = str(zoo_entry.load("tflite-int8").path), tmp_path / "out"
    assert run([*base, *few, "--deployed", deployed, "--params", "50k", "--out", str(out)]) == 0
    assert "Nothing to repair: it passes every gate as it is." in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["repair.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "temprature"], "did you mean temperature?"),
        (["--steps", ","], "no step"),
        (["--teacher", str(ZOO / "scalecnn-c6-seed0.safetensors")], "a teacher goes with distillation"),
        (["--steps", "ranges"], "needs --checkpoint"),
        (["--params", "50k", "--steps", "distill"], "distill, and no teacher"),
        (["--params", "50k", "--retrain", "--teacher", "absent.safetensors"], "there is no such model file"),
        (["--params", "50k", "--checkpoint", "x.safetensors"], "both --checkpoint and --params"),
        (["--checkpoint", str(ZOO / "scalecnn-c4-seed0.safetensors")], "exported from another checkpoint"),
        (["--checkpoint", "absent.safetensors"], "there is no such model file"),
        (["--checkpoint", str(ZOO / "scalecnn-c6-seed0.onnx")], "weights are exported from a checkpoint"),
        (["--tune-images", "10000"], "10,000 of 10,000 images to tune on, 0 left to judge"),
        (["--tune-images", "9950"], "at least 100 in either part"),
        (["--tune-images", "3"], "3 of 10,000 images to tune on"),
        (["--images", "150"], "30 of 150 images to tune on"),
        (["--deployed", str(ZOO / "scalecnn-c6-seed0-fp32.tflite"), "--target", "tflite-fp32"], "not quantized"),
        (["--target", "onnx-int8"], "runs onnx files"),
        (["--target", "tflite-int9"], "did you mean tflite-int8"),
        (["--target", "tflite-int16x8"], "runs int16x8 models"),
        (["--report", "html"], "no --out"),
        (["--report", "pdf", "--out", "x"], "unknown report format"),
        (["--report", "junit", "--out", "x"], "expected: html or md or html,md"),
        (["--report", "", "--out", "x"], "expected: html or md or html,md"),
        (["--epochs", "1"], "epochs are of a short training"),
        (["--kernels", "cmsis-nn"], "has no such option"),
        (["--policy", "absent.toml"], "the policy cannot be read"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(arguments, says, alone, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinyedge.repair.bench.predict", lambda *_: pytest.fail("something ran"))
    assert run([*alone, *arguments]) == 2
    printed = capsys.readouterr()
    assert says in " ".join(printed.err.split())
    assert printed.out == ""


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"representative": "x"}, "origin.representative"),
        ({"representative": {"count": "many"}}, "origin.representative.count"),
        ({"representative": {"count": True}}, "origin.representative.count"),
        ({"representative": {"seed": "a"}}, "origin.representative.seed"),
        ({"representative": {"calibration": ["x"]}}, "origin.representative.calibration"),
        ({"training": "x"}, "origin.training"),
        ({"training": {"checkpoint_sha256": 5}}, "origin.training.checkpoint_sha256"),
        ({"temperature": "x"}, "the side-car's temperature cannot be read"),
    ],
)
def test_a_side_car_that_cannot_be_is_refused_before_anything_runs(
    origin, says, zoo_entry, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("tinyedge.repair.bench.predict", lambda *_: pytest.fail("something ran"))
    shipped, path = zoo_entry.load("tflite-int8"), tmp_path / "odd.tflite"
    path.write_bytes(shipped.path.read_bytes())
    told = json.loads(sidecar_path(shipped.path).read_text())
    sidecar_path(path).write_text(json.dumps(told | {"origin": told["origin"] | origin}))
    assert run(["repair", "--deployed", str(path), "--params", "50k", "--data", "shapes", "--parity", "0"]) == 2
    assert says in "".join(capsys.readouterr().err.split("\n"))


def test_ranges_repair_what_the_quantizers_default_made(tmp_path, few, capsys, monkeypatch):
    """The real exporter, from a file that fails to one that does not: two estimators and few images, for the time."""
    monkeypatch.setattr(TfliteInt8, "calibrations", ("minmax", "moving-average"))
    checkpoint, bad, out = ZOO / "scalecnn-c6-seed0.safetensors", tmp_path / "bad.tflite", tmp_path / "out"
    export = ["export", "--to", "tflite-int8", "--calibration", "moving-average", "--data", "shapes"]
    assert run([*export, "--checkpoint", str(checkpoint), "--representative", "100", "--out", str(bad)]) == 0
    capsys.readouterr()
    arguments = ["repair", "--deployed", str(bad), "--checkpoint", str(checkpoint), "--data", "shapes", "--parity", "0"]
    code = run([*arguments, *few, "--steps", "ranges", "--out", str(out), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["before"], found["steps"], found["trials"][1]["kept"]) == ("FAIL", ["ranges"], True)
    assert code == found["exit_code"] in (0, 3)
    made = load_artifact(out / found["repaired"])
    assert found["repaired"] == ("bad-better.tflite", "bad-repaired.tflite")[code == 0]
    assert made.sha256 == found["trials"][1]["sha256"]
    assert (made.origin["representative"]["calibration"], made.origin["representative"]["count"]) == ("minmax", 100)


def test_without_a_float_model_there_is_nothing_to_judge_against(base, capsys):
    assert run(base) == 2
    assert "neither --checkpoint, --params nor --reference" in capsys.readouterr().err


def test_a_folder_that_cannot_take_the_file_is_refused_before_anything_runs(alone, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinyedge.repair.bench.predict", lambda *_: pytest.fail("something ran"))
    (tmp_path / "file").write_text("")
    assert run([*alone, "--out", str(tmp_path / "file" / "out")]) == 2
    (tmp_path / "sure-repaired.tflite").write_text("somebody's")
    assert run([*alone, "--out", str(tmp_path)]) == 2
    assert "there is a repaired file already" in capsys.readouterr().err
    assert (tmp_path / "sure-repaired.tflite").read_text() == "somebody's"


def test_a_policy_that_only_limits_the_size_cannot_be_repaired(alone, tmp_path, capsys):
    policy = tmp_path / "policy.toml"
    off = "".join(f"[{gate.name}]\nenabled = false\n" for gate in GATES if gate.name != "floors")
    policy.write_text(off + "[floors]\nmax_size_bytes = 50000\n")
    assert run([*alone, "--policy", str(policy), "--images", "500"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "no step of the repair changes what this file does not pass" in told
    assert "The model file takes 58,536 bytes" in told


def test_too_few_images_to_show_anything_end_inconclusive_or_failed_and_say_so(alone, capsys):
    assert run([*alone, "--images", "600"]) in (1, 3)
    assert "480 judge" in " ".join(capsys.readouterr().out.split())


def test_under_all_the_file_as_it_is_is_one_candidate_more(alone, capsys):
    assert run([*alone, "--images", "600", "--all", "--steps", "temperature", "--format", "json"]) in (1, 3)
    found = json.loads(capsys.readouterr().out)
    assert (found["split"]["candidates"], found["split"]["given_shares"]) == (2, True)
    assert [trial["verdict"]["confidence"] for trial in found["trials"]] == [pytest.approx(0.975)] * 2


def test_help_lists_the_steps(capsys):
    assert run(["repair", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(step.name in printed for step in STEPS)
