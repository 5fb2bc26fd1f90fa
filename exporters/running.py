"""Running a TFLite file on a few images, to check an export; targets do this properly, but exporters import none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import InputConvention
from tinyedge.formats import ModelFacts


def run_tflite(
    content: bytes, facts: ModelFacts, convention: InputConvention, images: NDArray[np.uint8]
) -> NDArray[Any]:
    """The stored outputs, ``(N, K)``, of uint8 images ``(N, H, W, C)``, on LiteRT's built-in kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    stored = facts.input.quantize(convention.apply(images))
    outputs = np.empty((len(images), facts.output.shape[-1]), np.dtype(facts.output.dtype))
    for i in range(len(images)):
        interpreter.set_tensor(source["index"], stored[i : i + 1])
        interpreter.invoke()
        outputs[i] = interpreter.get_tensor(result["index"]).reshape(-1)
    return outputs


def compared(stored: NDArray[Any], reference: NDArray[np.float32]) -> dict[str, Any]:
    """How an int8 file did on images, next to the float module: recorded with the artifact, judged by ``validate``."""
    top = stored.max(axis=1)
    return {
        "images": len(stored),
        "same_top1": float((stored.argmax(axis=1) == reference.argmax(axis=1)).mean()),
        "saturated_top1": float((top == np.iinfo(stored.dtype).max).mean()),
        "tied_top1": float(((stored == top[:, None]).sum(axis=1) > 1).mean()),
    }
