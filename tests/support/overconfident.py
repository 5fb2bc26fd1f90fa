"""A shipped int8 file whose logits are a few times too large: what training too long does, and a temperature mends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tinyedge.artifact import Artifact, load_artifact, read_sidecar, write_sidecar
from tinyedge.files import sha256_file
from tinyedge.overlap import KEY


def overconfident(artifact: Artifact, factor: float, path: Path) -> Artifact:
    """``artifact`` with the scales of its last layer, and of what follows, times ``factor``."""
    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    graph = model.subgraphs[0]
    index, wider = graph.outputs[0], []
    while True:
        (operator,) = [one for one in graph.operators if index in one.outputs]
        wider.append(index)
        index = operator.inputs[0]
        if len(operator.inputs) == 3:  # the layer: what it reads keeps its scale
            break
    for tensor in {*wider, *operator.inputs[1:]}:
        described = graph.tensors[tensor].quantization
        if described is not None and described.scale is not None:
            described.scale = described.scale * factor
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    digests = read_sidecar(artifact.path, artifact.sha256)[KEY]
    write_sidecar(replace(artifact, path=path, sha256=sha256_file(path)), **{KEY: digests})
    return load_artifact(path)
