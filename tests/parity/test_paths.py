import pytest

from tinyedge.errors import UsageError
from tinyedge.parity import ALL_PATHS, DEFAULT_PATHS, parse_paths, path_name


def test_the_usual_paths_are_what_their_names_say():
    found = parse_paths(ALL_PATHS)
    assert tuple(path.name for path in found) == ALL_PATHS
    assert ALL_PATHS[: len(DEFAULT_PATHS)] == DEFAULT_PATHS
    by_name = {path.name: path for path in found}
    assert by_name["cortex-m4-int8:portable"].options == {"kernels": "portable"}
    assert by_name["tflm-int8"].options == {}
    assert [path.name for path in found if path.slow] == [name for name in ALL_PATHS if name.startswith("cortex-m")]


def test_kernels_that_are_not_named_are_the_default_and_are_named():
    found = parse_paths(["cortex-m7-int8", "tflm-int8"])
    assert [path.name for path in found] == ["cortex-m7-int8:cmsis-nn", "tflm-int8"]
    assert path_name("cortex-m0plus-int8", {}) == "cortex-m0plus-int8:portable"
    assert path_name("cortex-m4-int8", {"kernels": "portable"}) == "cortex-m4-int8:portable"
    assert path_name("tflite-int8", {}) == "tflite-int8"


def test_an_option_goes_to_the_paths_that_take_it():
    found = parse_paths(["tflite-int8", "tflm-int8"], {"arena_bytes": 9000})
    assert [path.options for path in found] == [{}, {"arena_bytes": 9000}]


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["tflm-int8"], {}, ["two paths or more", "found:    tflm-int8"]),
        ([], {}, ["two paths or more", "none"]),
        (["tflm-int8", "tflm-int8"], {}, ["tflm-int8 twice"]),
        (["cortex-m4-int8", "cortex-m4-int8:cmsis-nn"], {}, ["cortex-m4-int8:cmsis-nn twice"]),
        (["tflm-int9", "tflite-int8"], {}, ["unknown path", "did you mean tflm-int8?"]),
        (["cortex-m4:portable", "tflite-int8"], {}, ["unknown path", "did you mean cortex-m4-int8:portable?"]),
        (["cortex-m4-int8:fast", "tflite-int8"], {}, ["no such kernels", "fast", "cmsis-nn or portable"]),
        (["tflite-int8:portable", "tflm-int8"], {}, ["no such option", "--kernels"]),
        (["onnx-fp32", "tflite-int8"], {}, ["another kind of model", "onnx, fp32"]),
        (["tflite-fp32", "tflite-int8"], {}, ["another kind of model", "tflite, fp32"]),
        (["tflite-int8", "tflite-int8-xnnpack"], {"arena_bytes": 9}, ["no path takes this option", "--arena-bytes"]),
    ],
)
def test_what_makes_no_sense_is_bad_usage(names, options, words):
    with pytest.raises(UsageError) as caught:
        parse_paths(names, options)
    for word in words:
        assert word in str(caught.value)
