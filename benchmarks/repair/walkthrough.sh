#!/bin/sh
# Four files that do not pass, repaired without retraining: walkthrough.sh [FOLDER]; needs TINYEDGE_DATA and the export
# extra. It took 24 minutes on two processors that had other work too. Writes walkthrough.md and walkthrough.json beside
# this file; what lies in FOLDER is not made again.
#
# The first is the 46,570-parameter model as the quantizer's own default exports it, with every free step. The others are
# shipped files that a temperature alone repairs: their training left them too sure of themselves. One runs on TensorFlow
# Lite Micro itself, the others on LiteRT's built-in kernels.
set -eu
here=$(dirname "$0")
zoo=$here/../../tinyedge/zoo/cifar100
work=${1:-$(mktemp -d)}
mkdir -p "$work"

repair() { # NAME OPTION...
    name=$1
    shift
    [ ! -e "$work/$name/repair.json" ] || return 0 # of an earlier run of this script
    code=0
    tinyedge repair "$@" --data cifar100 --report md,html --out "$work/$name" || code=$?
    [ "$code" -le 1 ] || [ "$code" -eq 3 ] || exit "$code" # 0 pass, 1 a gate fails, 3 not settled
}

bad=$work/c6-moving-average.tflite
[ -e "$bad" ] || tinyedge export --to tflite-int8 --calibration moving-average --data cifar100 \
    --checkpoint "$zoo/scalecnn-c6-seed0.safetensors" --out "$bad"
repair c6-tflite --deployed "$bad" --checkpoint "$zoo/scalecnn-c6-seed0.safetensors"
repair c12 --deployed "$zoo/scalecnn-c12-seed0-int8.tflite" --params 175k --steps temperature
repair c16 --deployed "$zoo/scalecnn-c16-seed0-int8.tflite" --params 300k --steps temperature
repair c6-tflm --deployed "$zoo/scalecnn-c6-seed0-int8.tflite" --params 50k --target tflm-int8 --steps temperature

python3 - "$work" "$here/walkthrough" c6-tflite c12 c16 c6-tflm <<'PYTHON'
"""Of each repair.json the figures of every file, and of each repair.md the whole."""
import json
import sys
from pathlib import Path

work, out, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
found, pages = {}, []
for name in names:
    whole = json.loads((work / name / "repair.json").read_text())
    found[name] = {key: whole[key] for key in ("before", "status", "steps", "split", "run", "data")}
    found[name]["trials"] = [
        {key: value for key, value in trial.items() if key not in ("verdict", "nominal", "why", "as_trained", "on")}
        | {"gates": {g["name"]: [round(g["figure"], 4), g["status"]] for g in trial["verdict"]["gates"]}}
        for trial in whole["trials"]
    ]
    pages.append((work / name / "repair.md").read_text())
Path(f"{out}.json").write_text(json.dumps(found, indent=1) + "\n")
title = "# Repaired without retraining\n\nWritten by `walkthrough.sh`; what the steps and the rules are: [docs/repair.md]"
Path(f"{out}.md").write_text("\n".join([f"{title}(../../docs/repair.md).\n", *pages]))
PYTHON
