import socket

import numpy as np
import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import InputConvention, load_artifact
from tinyedge.targets import wire


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("array", [None, np.arange(6, dtype=np.int8).reshape(2, 3), np.zeros((0, 4), np.float32)])
def test_a_message_arrives_as_it_was_sent(pair, array):
    wire.send(pair[0], {"op": "run", "text": "ä\n"}, array)
    header, received = wire.receive(pair[1])
    assert header == {"op": "run", "text": "ä\n"}
    if array is None:
        assert received is None
    else:
        assert received.dtype == array.dtype
        np.testing.assert_array_equal(received, array)


def test_objects_do_not_cross(pair):
    with pytest.raises(ValueError, match="allow_pickle"):
        wire.send(pair[0], {}, np.array([{}], dtype=object))


def test_an_end_inside_a_message_is_an_end(pair):
    pair[0].sendall(b"\x10\x00")
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1])


def test_an_artifact_survives(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.tflite())
    artifact = load_artifact(path, convention=InputConvention((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "BGR"))
    assert wire.artifact_from_json(wire.artifact_to_json(artifact)) == artifact


def _every_error(kind=errors.TinyedgeError):
    return [kind, *(below for sub in kind.__subclasses__() for below in _every_error(sub))]


@pytest.mark.parametrize("kind", _every_error())
def test_every_error_survives_with_its_class(kind):
    error = kind("what", where="where", found=3, expected=None, fix="fix")
    again = wire.error_from_json(wire.error_to_json(error))
    assert type(again) is kind
    assert str(again) == str(error)
