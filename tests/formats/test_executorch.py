from contextlib import suppress

import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyedge import errors
from tinyedge.formats import read_model
from tinyedge.formats.executorch import read_program


def written(folder, content):
    path = folder / "model.pte"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_facts(tmp_path, precision):
    facts = read_model(written(tmp_path, tiny_models.pte_bytes(precision)))
    assert (facts.format, facts.precision, facts.output_kind) == ("executorch", precision, "logits")
    assert (facts.input.shape, facts.input.dtype, facts.input.layout) == ((1, 3, 8, 8), "float32", "NCHW")
    assert (facts.output.shape, facts.output.dtype) == ((1, 7), "float32")
    assert facts.params == 8 * 27 + 8 + 7 * 8 + 7


def test_the_program_says_what_xnnpack_takes_and_what_is_left(tmp_path):
    whole = read_program(written(tmp_path, tiny_models.pte_bytes("int8")))
    ((backend, graph),) = whole.delegates
    assert (backend, whole.kernels) == ("XnnpackBackend", ())
    assert graph.nodes.count("Conv2d") == graph.nodes.count("FullyConnected") == 1
    assert list(graph.layers.values()) == [("int8", "int8")] * 2
    scale, zero_point = graph.scores
    assert 0 < scale < 0.2
    assert -128 <= zero_point <= 127
    left = read_program(written(tmp_path, tiny_models.pte_bytes("portable")))
    assert left.delegates == ()
    assert {"aten::convolution", "aten::addmm"} < set(left.kernels)
    assert read_model(tmp_path / "model.pte").precision == "fp32"
    assert read_model(tmp_path / "model.pte").params is None, "constants of portable kernels are not counted"


def test_a_softmax_at_the_end_means_probabilities(tmp_path):
    assert read_model(written(tmp_path, tiny_models.pte_bytes("softmax"))).output_kind == "probabilities"


def test_an_output_of_unknown_meaning_is_not_guessed(tmp_path):
    with pytest.raises(errors.ArtifactUnsupported, match="outputs mean") as caught:
        read_model(written(tmp_path, tiny_models.pte_bytes("sigmoid")))
    assert "Sigmoid" in caught.value.found


def test_another_backend_is_named(tmp_path):
    content = tiny_models.pte_bytes("int8").replace(b"XnnpackBackend", b"CoreMLBackend\0")
    with pytest.raises(errors.ArtifactUnsupported, match="delegate of this program") as caught:
        read_model(written(tmp_path, content))
    assert "CoreMLBackend" in caught.value.found
    assert "executorch-int8" in caught.value.fix


def test_another_method_is_no_classifier(tmp_path):
    content = tiny_models.pte_bytes("int8").replace(b"forward", b"onwards")
    with pytest.raises(errors.ArtifactUnsupported, match="plain classifier") as caught:
        read_model(written(tmp_path, content))
    assert "methods onwards" in caught.value.found


def test_every_truncation_is_corrupt(tmp_path):
    content = tiny_models.pte_bytes()
    for length in range(0, len(content), 3):
        with pytest.raises(errors.ArtifactCorrupt):
            read_model(written(tmp_path, content[:length]))


@pytest.mark.parametrize("content", [b"", bytes(64), b"\x1c\0\0\0ET12" + b"\xff" * 200, b"PK\3\4" + bytes(99)])
def test_garbage_is_corrupt(tmp_path, content):
    with pytest.raises(errors.ArtifactCorrupt) as caught:
        read_model(written(tmp_path, content))
    assert caught.value.fix


@settings(max_examples=300, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=6))
def test_flipped_bits_raise_nothing_but_our_errors(tmp_path_factory, flips):
    content = bytearray(tiny_models.pte_bytes())
    for at, mask in flips:
        content[at % len(content)] ^= mask
    with suppress(errors.ArtifactError):  # anything else fails the test
        read_model(written(tmp_path_factory.getbasetemp(), bytes(content)))
