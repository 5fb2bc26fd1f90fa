from dataclasses import replace

import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.board import find_board
from tinyedge.models.family import Member
from tinyedge.targets import vela
from tinyedge.zoo import find

U55 = find_board("ethos-u55-128").npu


@pytest.fixture(scope="module")
def int8():
    return find(Member("scalecnn", 4), "shapes").load("tflite-int8")


def artifact_of(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


@pytest.mark.parametrize("board", ["ethos-u55-128", "ethos-u55-256", "alif-ensemble-e7", "grove-vision-ai-v2"])
def test_every_npu_has_figures_of_its_own(board, int8):
    npu = find_board(board).npu
    found = vela.estimate(int8, npu)
    assert found["label"].startswith("estimated by ethos-u-vela ")
    assert (found["accelerator"], found["cpu_operators"]) == (npu.accelerator, [])
    assert found["core_clock_hz"] == npu.clock_hz, "the board's clock is the one that vela counts with"
    assert 0 < found["npu_cycles"] <= found["cycles"] < 10**6
    # Input and first feature map are alive at once; the compiled file holds the weights and the command stream.
    assert found["sram_bytes"] >= 32 * 32 * (3 + 4)
    assert 20_000 < found["weights_flash_bytes"] < found["flash_bytes"] < 2 * int8.size_bytes


def test_a_path_may_be_relative(int8, monkeypatch):
    """Vela runs in a folder of its own."""
    monkeypatch.chdir(int8.path.parent)
    assert vela.estimate(replace(int8, path=int8.path.relative_to(int8.path.parent)), U55)["npu_cycles"] > 0


def test_more_multipliers_take_fewer_cycles(int8):
    small, large = (vela.estimate(int8, replace(U55, accelerator=f"ethos-u55-{macs}")) for macs in (32, 256))
    assert large["npu_cycles"] < small["npu_cycles"]


def test_what_is_left_to_the_cpu_is_named(tmp_path):
    found = vela.estimate(artifact_of(tmp_path, tiny_models.tflite(middle="SEGMENT_SUM")), U55)
    assert found["cpu_operators"] == ["SEGMENT_SUM"]


def test_a_model_of_which_nothing_runs_on_the_npu_is_refused():
    model = find(Member("scalecnn", 4), "shapes").load("tflite-fp32")
    with pytest.raises(errors.TargetRefused, match="nothing of the model runs on ethos-u55-128") as caught:
        vela.estimate(model, U55)
    assert "CONV_2D" in caught.value.found
    assert caught.value.exit_code == 4


def test_another_format_is_refused():
    with pytest.raises(errors.ArtifactUnsupported, match="TFLite"):
        vela.estimate(find(Member("scalecnn", 4), "shapes").load("onnx-fp32"), U55)


def test_a_file_that_vela_cannot_read_is_refused_with_its_last_words(int8, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(int8.path.read_bytes()[:20_000])
    with pytest.raises(errors.TargetRefused, match="vela does not compile the model") as caught:
        vela.estimate(replace(int8, path=broken), U55)
    assert "exit status" in caught.value.found


@pytest.mark.parametrize("wrong", [{"system_config": "Nothing"}, {"accelerator": "ethos-u55-17"}, {"config": "["}])
def test_a_board_that_vela_does_not_know_is_refused(int8, wrong):
    with pytest.raises(errors.TargetRefused, match="vela does not compile") as caught:
        vela.estimate(int8, replace(U55, **wrong))
    assert caught.value.found != "exit status 1: it says nothing"


def test_a_vela_that_does_not_end_is_stopped(int8):
    with pytest.raises(errors.TargetTimeout, match="does not end"):
        vela.estimate(int8, U55, timeout_s=0.01)


def test_without_vela_the_command_that_installs_it_is_named(int8, monkeypatch):
    monkeypatch.setattr(vela, "find_spec", lambda name: None)
    with pytest.raises(errors.TargetUnavailable, match="ethos-u-vela") as caught:
        vela.estimate(int8, U55)
    assert caught.value.fix == "pip install 'tinyedge[npu]'"
    assert caught.value.exit_code == 4


def test_a_vela_that_writes_something_else_is_refused(int8, tmp_path):
    with pytest.raises(errors.TargetRefused, match="no summary"):
        vela._results(tmp_path, "", int8.path)
    (tmp_path / "m_vela.tflite").write_bytes(b"")
    (tmp_path / "m_summary_x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(errors.TargetRefused, match="does not compile") as caught:
        vela._results(tmp_path, "", int8.path)
    assert "cycles_total" in caught.value.found
