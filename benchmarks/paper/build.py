"""The study, reproduced from committed predictions: all figures, all tables and docs/study.md, by one command.

    TINYEDGE_DATA=folder python benchmarks/paper/build.py        (make paper)

No model is run. The predictions hold no labels, which are read from the data set that they name: CIFAR-100, in the
folder that TINYEDGE_DATA or --data-dir names. Everything is computed before anything is written, so that what is there
stays whole where something is wrong. Drawn twice, all files are the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from comparison import compare_all
from comparison_tables import comparison_table, numbers_table, worked_out_table
from family_tables import family_tables, pair_of
from gaps import gap_at
from ours import law_of, sides
from page import page
from plots_curves import calibration_figure, classes_figure
from plots_deployed import cost_figure, exemplar_panels, exemplars_figure
from plots_groups import superclasses_figure
from plots_size import law_figure, overlap_figure
from reported import Study, reported
from style import short, svg
from tables import to_csv, to_markdown
from worked_out import worked_out

from tinyedge.data import Dataset, load_dataset
from tinyedge.errors import TinyedgeError
from tinyedge.files import write_atomic
from tinyedge.report.svg import settings
from tinyedge.study.family import open_sweep, read_family, targets_with_outcomes
from tinyedge.study.law import error_law
from tinyedge.study.members import Family, common
from tinyedge.study.scaling import Scaling, scaling

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FLOAT_TARGET, INT8_TARGET = "onnx-fp32", "tflm-int8"
PAGE = "docs/study.md"
LABELS = {
    "error-law": "Error against parameters on logarithmic axes, and the exponents between neighbouring widths",
    "overlap": "Jaccard overlap of error sets of pairs of widths, between independent and nested errors",
    "classes": "Gini of class accuracy, and accuracy of the five worst classes, against parameters",
    "calibration": "ECE, confidence less accuracy, and NLL, against parameters",
    "superclasses": "Accuracy of each superclass at the smallest and at the largest width",
    "quantization": "Accuracy lost, images that change, and Jaccard, float against int8, by width",
    "flips": "In how many models each image flips, against chance",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "results" / "cifar100", help="of a sweep")
    parser.add_argument("--data-dir", type=Path, help="folder with CIFAR-100, if not $TINYEDGE_DATA")
    parser.add_argument("--out", type=Path, default=ROOT, help="where benchmarks/paper/ and docs/ are")
    chosen = parser.parse_args()
    try:
        files = build(chosen.folder, data_dir=chosen.data_dir)
        for path, content in files.items():
            write_atomic(chosen.out / path, content)
    except TinyedgeError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    drawn, tabled = (sum(path.endswith(suffix) for path in files) for suffix in (".svg", ".csv"))
    print(f"{drawn} figures, {tabled} tables (CSV and Markdown) and {PAGE}, below {chosen.out}")


def build(folder: Path, *, data_dir: Path | None = None) -> dict[str, str]:
    """Every file's content, by its path in the repository.

    Args:
        folder: of a sweep, with outcomes on both targets.
        data_dir: where CIFAR-100 is, if not where ``TINYEDGE_DATA`` says.

    Raises:
        TinyedgeError: for a folder that is no sweep's, outcomes that do not belong together, or too few widths.
    """
    _, basis, _ = open_sweep(folder)
    data = load_dataset(basis.data, "test", data_dir=data_dir)
    pairs = {name: read_pair(folder, name, data) for name in ("scalecnn", "mobilenetv2") if has_both(folder, name)}
    pairs.setdefault("scalecnn", read_pair(folder, "scalecnn", data))  # raises what is wrong with it
    return render(reported(), pairs)


def has_both(folder: Path, family: str) -> bool:
    """Whether a family has outcomes on both targets."""
    sweep, _, plan = open_sweep(folder)
    return {FLOAT_TARGET, INT8_TARGET} <= set(targets_with_outcomes(sweep, plan, family))


def read_pair(folder: Path, family: str, data: Dataset) -> tuple[Family, Family]:
    """The models of a family that have outcomes in float and in int8."""
    reference, deployed = (read_family(folder, target, data, family=family) for target in (FLOAT_TARGET, INT8_TARGET))
    return common(reference=reference, deployed=deployed)


def render(study: Study, pairs: dict[str, tuple[Family, Family]]) -> dict[str, str]:
    """Every file's content, of families that are in memory: in float, in int8.

    Raises:
        PredictionsError: for a family of fewer than three widths.
    """
    families = {}
    for name, (reference, deployed) in pairs.items():
        error_law(reference)  # three widths are what a law, and so this study, takes
        families[name] = scaling(deployed, reference=reference)
    found = families["scalecnn"]
    small = study.figures["ece-why"].params[0]
    gaps = (gap_at(pairs["scalecnn"][0], small), gap_at(pairs["scalecnn"][1], small))
    lines, rows = compare_all(study, families, gaps), worked_out(study, *sides(found))
    files = {f"benchmarks/paper/figures/{name}.svg": content for name, content in figures(study, found).items()}
    tables = (comparison_table(lines, found), numbers_table(lines), worked_out_table(rows))
    for table in (*tables, *family_tables(found, *pairs["scalecnn"])):
        files[f"benchmarks/paper/tables/{table.name}.csv"] = to_csv(table)
        files[f"benchmarks/paper/tables/{table.name}.md"] = to_markdown(table)
    files[PAGE] = page(study, lines, rows, families, gaps)
    return files


def figures(study: Study, found: Scaling) -> dict[str, str]:
    """Every figure as SVG, by name."""
    reference, deployed = sides(found)
    law, pair = law_of(reference), pair_of(found)
    ends = tuple(f"{p.label}, {short(p.params)}" for p in (law.points[0], law.points[-1]))
    with settings():
        drawn = {
            "error-law": law_figure(study, law, law_of(deployed)),
            "overlap": overlap_figure(study, reference.overlaps, deployed.overlaps),
            "classes": classes_figure(study, reference.curves, deployed.curves),
            "calibration": calibration_figure(study, reference.curves, deployed.curves),
            "quantization": cost_figure(pair.cost),
            "flips": exemplars_figure(exemplar_panels(pair.exemplars)),
        }
        if reference.given_up.superclasses:
            drawn["superclasses"] = superclasses_figure(reference.given_up, deployed.given_up, (ends[0], ends[1]))
    return {name: svg(figure, name, label=LABELS[name]) for name, figure in drawn.items()}


if __name__ == "__main__":
    main()
