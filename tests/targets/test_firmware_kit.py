"""What ``tinyedge firmware`` writes: with a board's few functions added by hand, it is firmware that validates."""

import re
import subprocess

import numpy as np
import pytest
import tiny_models
from boards import Emulated

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.cli import main
from tinyedge.errors import TargetRefused
from tinyedge.registry import TARGETS
from tinyedge.targets import firmware_kit
from tinyedge.targets.firmware_build import COMPILER, SOURCES
from tinyedge.targets.serial import SerialInt8

pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

PORT = """
#include "board.h"
#define UART ((volatile uint32_t *)0x40004000)
void uart_open(void) { UART[4] = 217; UART[2] = 3; }
uint8_t uart_get(void) { while (!(UART[1] & 2)) continue; return (uint8_t)UART[0]; }
void uart_put(uint8_t byte) { while (UART[1] & 1) continue; UART[0] = byte; }
void clock_start(void) {}
uint64_t clock_ticks(void) { return 42; }
uint32_t clock_hz(void) { return 1000000; }
uint32_t stack_used(void) { return 0; }
"""
START = """
#include "board.h"
extern uint32_t bss_start, bss_end, stack_top;
void start(void) {
    for (uint32_t *at = &bss_start; at < &bss_end;) *at++ = 0;
    tinyedge_run();
}
__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {&stack_top, (void *)start};
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "model.tflite"
    path.write_bytes(tiny_models.tflite())
    return load_artifact(path, convention=FAMILY_CONVENTION)


def write(artifact, folder, *options):
    return main.run(["firmware", str(artifact.path), "--out", str(folder), *options])


@pytest.mark.usefixtures("arm_tools")
@pytest.mark.parametrize(
    ("options", "cpu", "machine"),
    [((), "cortex-m4", "mps2-an386"), (("--target", "cortex-m0plus-int8"), "cortex-m0plus", "mps2-an385")],
)
def test_the_folder_and_a_port_of_ones_own_are_firmware(artifact, tmp_path, capsys, options, cpu, machine):
    kit = tmp_path / "kit"
    assert write(artifact, kit, *options) == 0
    assert "next: " in capsys.readouterr().out
    (kit / "port.c").write_text(PORT)
    (tmp_path / "start.c").write_text(START)
    compile_as_its_readme_says(kit, tmp_path / "start.c", tmp_path / "fw.elf", cpu)
    board = Emulated((tmp_path / "fw.elf").read_bytes(), machine=machine)
    try:
        with SerialInt8(board.port).open(artifact) as session:
            outputs, facts = session.run(tiny_models.images(10)), session.facts()
    finally:
        board.close()
    with TARGETS["cortex-m4-int8"].load()().open(artifact, processes=1) as session:
        np.testing.assert_array_equal(outputs, session.run(tiny_models.images(10)))
    assert facts["device_us_per_image"] == 42.0
    assert "stack_bytes" not in facts, "this port does not know"


def compile_as_its_readme_says(kit, start, elf, cpu):
    """Each C file, the include folders, the defines: read from the README, as a person would."""
    readme = " ".join((kit / "README.md").read_text().split())
    includes, defines = re.search(r"the include folders (.*), and the defines (.*?)\. C11", readme).groups()
    done = subprocess.run(
        [
            COMPILER, f"-mcpu={cpu}", "-mthumb", "-std=c11", "-O2", "-Wall", "-Wextra", "-ffunction-sections",
            "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections",
            *(f"-I{kit / folder}" for folder in re.findall(r"`([^`]+)`", includes)),
            *(f"-D{name}" for name in re.findall(r"`([^`]+)`", defines)),
            *map(str, kit.rglob("*.c")), str(start), "-T", str(SOURCES / "firmware.ld"), "-o", str(elf),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "tinyedge_" in line]
    assert ours == [], "a stranger's project may not like warnings"


def test_a_port_that_is_not_written_yet_does_not_compile(artifact, tmp_path):
    assert write(artifact, tmp_path) == 0
    assert "#error" in (tmp_path / "port.c").read_text()


def test_a_second_time_it_replaces_what_is_its_own_and_keeps_the_port(artifact, tmp_path):
    assert write(artifact, tmp_path) == 0
    (tmp_path / "port.c").write_text("mine")
    (tmp_path / "tinyedge_loop.c").write_text("old")
    vendor = tmp_path / "model" / "third_party"
    assert vendor.is_dir()
    assert write(artifact, tmp_path, "--kernels", "portable") == 0
    assert (tmp_path / "port.c").read_text() == "mine"
    assert "tinyedge_run" in (tmp_path / "tinyedge_loop.c").read_text()
    assert not vendor.exists(), "files of other kernels would be compiled too"
    assert f"SHA-256 {artifact.sha256}" in (tmp_path / "README.md").read_text()
    assert "0x" + artifact.sha256[:2] in (tmp_path / "model_facts.h").read_text()


def test_a_folder_with_something_else_in_it_is_left_alone(artifact, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    assert write(artifact, tmp_path) == 2
    assert "something else in the model's place" in capsys.readouterr().err
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["README.md", "board.h", "tinyedge_loop.c", "tinyedge_uart.c", "model_facts.h"])
def test_a_file_that_is_not_its_own_is_left_alone(artifact, tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    assert write(artifact, tmp_path) == 2
    said = "".join(capsys.readouterr().err.split())
    assert "something else in the file's place".replace(" ", "") in said
    assert str(tmp_path / name) in said
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_port_and_files_of_other_names_are_in_nobodys_way(artifact, tmp_path):
    (tmp_path / "port.c").write_text("mine")
    (tmp_path / "main.c").write_text("mine")
    assert write(artifact, tmp_path) == 0
    assert (tmp_path / "port.c").read_text() == (tmp_path / "main.c").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, TargetRefused("no")])
def test_what_ends_it_in_the_middle_leaves_the_old_model(artifact, tmp_path, monkeypatch, error):
    def files():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def end_in_the_middle(legal, folder, **options):
        generate(legal, folder, **options)
        raise error

    assert write(artifact, tmp_path) == 0
    before, generate = files(), firmware_kit.generate
    monkeypatch.setattr(firmware_kit, "generate", end_in_the_middle)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        firmware_kit.write_kit(artifact.path, artifact.sha256, tmp_path, profile="cortex-m4", kernels="portable")
    assert files() == before


def test_the_source_it_tells_of_is_where_it_is_said_to_be(artifact, tmp_path):
    out = tmp_path / "kit"
    source = firmware_kit.write_kit(artifact.path, artifact.sha256, out, profile="cortex-m4", kernels="cmsis-nn")
    assert all(path.is_file() for path in (source.model, *source.others))
    assert all(path.is_dir() for path in source.includes)
    assert not list(out.glob(".*")), "nothing temporary is left"
    assert not [path for path in out.rglob("*") if path.is_file() and b".tinyedge-" in path.read_bytes()]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--target", "tflm-int8"), 2, "no code for that target"),
        (("--kernels", "fast"), 2, "has no such kernels"),
        (("--target", "cortex-m0plus-int8", "--kernels", "cmsis-nn"), 2, "has no such kernels"),
    ],
)
def test_what_it_cannot_write_is_one_clear_error(artifact, tmp_path, capsys, options, code, words):
    assert write(artifact, tmp_path / "kit", *options) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()


def test_a_model_that_is_no_firmware_is_one_clear_error(tmp_path, capsys):
    def run(content):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return main.run(["firmware", str(path), "--out", str(tmp_path / "kit")]), capsys.readouterr().err

    code, said = run(tiny_models.tflite("fp32"))
    assert code == 2
    assert "runs int8 models" in said
    code, said = run(tiny_models.tflite(middle="CUSTOM"))
    assert code == 4
    assert "CUSTOM, operator 2 of 3" in said
