"""A command for tinyedge around a runtime that Python can call, here LiteRT's reference kernels: docs/command.md."""

import hashlib
import struct
import sys
import zlib
from importlib.metadata import version as version_of
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

HEADER = struct.Struct("<4sIIII32sI")  # magic, version, type, images, values an image, the model's SHA-256, call
TYPES = {1: "int8", 2: "uint8", 3: "int16", 4: "float32"}
model_file, images_file, results_file = map(Path, sys.argv[1:])

# In: a header, an index and the values of each image, a CRC-32.
content = images_file.read_bytes()
magic, version, code, count, values, sha256, call = HEADER.unpack_from(content)
if (magic, version) != (b"TEIN", 1) or zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
    sys.exit("the images are not whole")
if hashlib.sha256(model_file.read_bytes()).digest() != sha256:
    sys.exit("the images are for another model")
images = np.frombuffer(content, [("index", "<u4"), ("values", TYPES[code], values)], count, HEADER.size)

# Your runtime.
runtime = Interpreter(str(model_file), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
runtime.allocate_tensors()
given, put_out = runtime.get_input_details()[0], runtime.get_output_details()[0]
outputs = []
for image in images["values"]:
    runtime.set_tensor(given["index"], image.reshape(given["shape"]))
    runtime.invoke()
    outputs.append(runtime.get_tensor(put_out["index"]).reshape(-1))

# Out: the same, with the same index for each image and the same call.
values, kind = outputs[0].size, outputs[0].dtype
(code,) = (code for code, name in TYPES.items() if name == kind)
results = np.empty(count, [("index", "<u4"), ("values", kind, values)])
results["index"], results["values"] = images["index"], outputs
content = HEADER.pack(b"TEOU", 1, code, count, values, sha256, call) + results.tobytes()
results_file.write_bytes(content + struct.pack("<I", zlib.crc32(content)))

# Optional: what the report should say of what ran.
facts = {
    "runtime": "LiteRT",
    "runtime_version": version_of("ai-edge-litert"),
    "kernels": f"LiteRT reference kernels ({len(runtime._get_ops_details())} operators)",
}
Path(f"{results_file}.facts").write_text("".join(f"{name}={value}\n" for name, value in facts.items()))
