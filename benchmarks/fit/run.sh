#!/bin/sh
# Which ScaleCNN to ship on three boards: run.sh [BOARD...]; needs TINYEDGE_DATA. About half an hour on two processors.
# Writes fit.json, fit.md and fit.svg into a folder a board, beside this file. 7,000 images give every class its 50. On the
# Cortex-M0+, whose portable kernels take an emulator ten times as long, members beyond the budget are not judged.
set -eu
here=$(dirname "$0")

fit() { # BOARD FPS IMAGES [OPTION]
    code=0
    tinyedge fit --board "$1" --fps "$2" --images "$3" --policy "$here/deployment.toml" --data cifar100 \
        --out "$here/$1" ${4:-} || code=$?
    [ "$code" -le 1 ] || [ "$code" -eq 3 ] || exit "$code" # 0 a member passes, 1 none, 3 none is settled
}

for board in ${*:-ethos-u55-128 nucleo-f446re raspberry-pi-pico}; do
    case $board in
        ethos-u55-128) fit "$board" 1000 7000 ;;
        nucleo-f446re) fit "$board" 8 7000 ;;
        raspberry-pi-pico) fit "$board" 1 7000 --within-budget ;;
    esac
done
