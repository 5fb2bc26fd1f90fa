#!/bin/sh
# The commands of docs/foreign-model.md with what they print. In the folder that train.py and convert.py wrote to:
#     TINYEDGE_DATA=FOLDER sh walkthrough.sh > transcript.txt
say() {
    echo "\$ $*"
    "$@" 2>&1
    echo "exit code $?"
    echo
}

cat >release.toml <<'TOML'
[policy]
name = "ties-tolerated"

[ties]
max_tied_percent = 8.0
TOML

say tinyedge validate --reference float.tflite --deployed uint8.tflite --data cifar100
say tinyedge validate --reference float.tflite --deployed uint8.tflite --data cifar100 --normalize 0..1
say tinyedge validate --reference float.tflite --deployed uint8.tflite --data cifar100 --normalize 0..255 \
    --labels labels.txt
say tinyedge validate --reference float.tflite --deployed uint8-logits.tflite --data cifar100 --normalize 0..255 \
    --labels labels.txt --policy release.toml
