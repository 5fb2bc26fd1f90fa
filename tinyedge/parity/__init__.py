"""One int8 TFLite file on every set of kernels that can run it: who agrees with whom, and from which layer on not."""

from tinyedge.parity.matrix import matrix_of, pair_of, path_of
from tinyedge.parity.parting import find_partings
from tinyedge.parity.paths import ALL_PATHS, DEFAULT_PATHS, Path, parse_paths, path_name
from tinyedge.parity.run import compare_paths, kernels_beside, run_paths

__all__ = [
    "ALL_PATHS",
    "DEFAULT_PATHS",
    "Path",
    "compare_paths",
    "find_partings",
    "kernels_beside",
    "matrix_of",
    "pair_of",
    "parse_paths",
    "path_name",
    "path_of",
    "run_paths",
]
