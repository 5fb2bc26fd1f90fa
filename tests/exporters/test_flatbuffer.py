from __future__ import annotations

import exporting
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyedge.exporters.flatbuffer import for_microcontrollers

WANTED = {"CONV_2D": 3, "MAX_POOL_2D": 2, "AVERAGE_POOL_2D": 2, "RESHAPE": 1}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same quantized model as the quantizer leaves it and as it is shipped."""
    import tinyedge.exporters.tflite_int8 as module
    from tinyedge.exporters.tflite_int8 import TfliteInt8

    kept = {}

    def keep(content):
        kept["before"], kept["after"] = content, for_microcontrollers(content)
        return kept["after"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "for_microcontrollers", keep)
        TfliteInt8().export(
            exporting.source(),
            tmp_path_factory.mktemp("pair") / "m.tflite",
            representative=exporting.representative(),
        )
    return kept["before"], kept["after"]


def outputs(content, images):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    found = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(found)


def test_outputs_are_unchanged(pair):
    images = np.random.default_rng(0).integers(-128, 128, (20, 32, 32, 3)).astype(np.int8)
    before, after = (outputs(content, images) for content in pair)
    assert len(np.unique(before)) > 50
    assert np.array_equal(before, after)


def test_it_becomes_smaller(pair):
    before, after = pair
    assert len(after) < 0.8 * len(before)


def test_operators_have_the_versions_of_int8(pair):
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.Model.GetRootAs(pair[1], 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    assert {names[c.BuiltinCode()]: c.Version() for c in codes} == WANTED


def test_constants_start_at_multiples_of_16_bytes(pair):
    model = schema.Model.GetRootAs(pair[1], 0)
    held = [model.Buffers(i) for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    assert len(held) >= 18
    assert {b._tab.Vector(b._tab.Offset(4)) % 16 for b in held} == {0}


def test_names_are_short_and_the_signature_still_finds_its_tensors(pair):
    interpreter = Interpreter(model_content=pair[1])
    (key,) = interpreter.get_signature_list()
    run = interpreter.get_signature_runner(key)
    (given,) = run.get_input_details().values()
    (result,) = run.get_output_details().values()
    assert (given["name"], result["name"]) == ("image", "scores")
    assert max(len(t["name"]) for t in interpreter.get_tensor_details()) <= 6


def test_rewriting_twice_changes_nothing_more(pair):
    assert for_microcontrollers(pair[1]) == pair[1]
