"""What parent and child say to each other: one JSON header and at most one array a message, never pickle.

Native code may print what it likes on stdout and stderr: messages go over a socket of their own.
"""

from __future__ import annotations

import io
import json
import socket
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge import errors
from tinyedge.artifact import Artifact, InputConvention, TensorSpec
from tinyedge.errors import TinyedgeError

_LENGTHS = struct.Struct("<IQ")
Message = tuple[dict[str, Any], NDArray[Any] | None]


def send(connection: socket.socket, header: dict[str, Any], array: NDArray[Any] | None = None) -> None:
    """Send one message.

    Raises:
        OSError, TimeoutError: where the other side is gone, or does not read within the socket's timeout.
    """
    text = json.dumps(header).encode()
    body = io.BytesIO()
    if array is not None:
        np.save(body, array, allow_pickle=False)
    connection.sendall(_LENGTHS.pack(len(text), body.tell()) + text)
    connection.sendall(body.getbuffer())


def receive(connection: socket.socket) -> Message:
    """Receive one message.

    Raises:
        EOFError: where the other side is gone.
        OSError, TimeoutError: likewise, or nothing came within the socket's timeout.
    """
    text_length, body_length = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    header = json.loads(_exactly(connection, text_length))
    array = np.load(io.BytesIO(_exactly(connection, body_length)), allow_pickle=False) if body_length else None
    return header, array


def artifact_to_json(artifact: Artifact) -> dict[str, Any]:
    """The artifact as JSON can hold it; the file itself stays where it is."""
    return {**asdict(artifact), "path": str(artifact.path.absolute()), "origin": {}}


def artifact_from_json(content: dict[str, Any]) -> Artifact:
    """What ``artifact_to_json`` made, as an artifact again."""
    return Artifact(
        **{
            **content,
            "path": Path(content["path"]),
            "input": TensorSpec(**{**content["input"], "shape": tuple(content["input"]["shape"])}),
            "output": TensorSpec(**{**content["output"], "shape": tuple(content["output"]["shape"])}),
            "convention": InputConvention.of(content["convention"]),
        }
    )


def error_to_json(error: TinyedgeError) -> dict[str, Any]:
    """An error with its class's name."""
    content = {name: getattr(error, name) for name in ("what", "where", "found", "expected", "fix")}
    return {"class": type(error).__name__, **content}


def error_from_json(content: dict[str, Any]) -> TinyedgeError:
    """What ``error_to_json`` made, of the same class again."""
    kind: type[TinyedgeError] = getattr(errors, content.pop("class"))
    return kind(content.pop("what"), **content)


def _exactly(connection: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise EOFError("the other side is gone")
        view = view[count:]
    return data
