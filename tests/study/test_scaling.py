"""The whole study of a family: what is in it, what it says is missing, and that JSON holds all of it."""

import json

import numpy as np
import pytest
from rich.console import Console

from tests.support.made_family import MICRO, drawn, family, first
from tests.support.spoil_sweep import edit_outcomes
from tinyedge.errors import PredictionsError
from tinyedge.models.scalecnn import WIDTHS
from tinyedge.study import terminal
from tinyedge.study.family import read_family
from tinyedge.study.scaling import scaling


def families(**changes):
    rng = np.random.default_rng(0)
    sets = drawn(rng, **changes)
    moved = {w: [s ^ (rng.random(len(s)) < 0.03) for s in rows] for w, rows in sets.items()}
    return family(sets), family(moved, run=MICRO)


def printed(found):
    console = Console(width=80, highlight=False, no_color=True)
    with console.capture() as capture:
        terminal.render(found, console)
    return capture.get()


@pytest.fixture(scope="module")
def full():
    """Nine widths of five seeds, in float and deployed."""
    reference, deployed = families(widths=WIDTHS, n=500)
    return scaling(deployed, reference=reference)


def test_a_full_family_lacks_nothing(full):
    assert full.notes == ("the images of toy are synthetic",)
    assert (len(full.deployed.models), len(full.pair.models)) == (45, 45)
    assert full.deployed.law.untrained == full.deployed.peak.untrained == ()
    assert full.deployed.law.alpha.best.caution is None
    assert full.deployed.overlaps.ends.pairs == 25
    assert len(full.deployed.overlaps.same_width) == len(full.pair.cost.widths) == 9
    assert full.pair.alpha_change.value == pytest.approx(full.deployed.law.alpha.value - full.reference.law.alpha.value)


def test_json_holds_everything_and_no_nan(full):
    content = json.loads(json.dumps(full.to_json(), allow_nan=False))
    assert content["schema"] == "tinyedge-scaling/1"
    assert content["deployed"]["law"]["alpha"]["value"] == full.deployed.law.alpha.value
    assert content["pair"]["exemplars"]["counts"] == list(full.pair.exemplars.counts)
    assert [p["label"] for p in content["reference"]["curves"]["gini"]["points"]] == [f"c{w:g}" for w in WIDTHS]


def test_a_person_sees_it_on_80_columns_whole(full):
    text = printed(full)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert f"{full.deployed.law.alpha.value:.3f} [" in text
    assert f"{full.deployed.overlaps.ends.jaccard.value:.3f} [" in text
    assert "Cautions" in text  # of the interval off the line


def test_unequal_seeds_and_untrained_widths_are_said():
    reference, deployed = families(widths=(4, 6, 8, 12), seeds=(5, 5, 1, 1))
    notes = scaling(deployed, reference=reference).notes
    assert "no outcomes, so nothing is said of c16, c24, c32, c48, c64" in notes
    assert any(note.startswith("one seed at c8, c12") for note in notes)
    assert any("seeds differ between widths" in note for note in notes)


def test_two_widths_of_one_seed_have_no_law_and_it_is_said():
    reference, deployed = families(widths=(4, 6), seeds=1)
    found = scaling(deployed, reference=reference)
    assert (found.deployed.law, found.pair.alpha_change, found.deployed.overlaps.same_width) == (None, None, ())
    assert any("no law is fitted" in note for note in found.notes)
    assert any("one seed a width" in note for note in found.notes)
    assert "2 widths are too few" in printed(found)


def test_one_member_is_no_family():
    with pytest.raises(PredictionsError, match="one member is no family") as caught:
        scaling(family({4: [first(500)] * 5}))
    assert "scalecnn-c4" in caught.value.found


def test_a_target_can_be_looked_at_alone():
    found = scaling(families()[1])
    assert (found.reference, found.pair) == (None, None)
    assert "costs" not in printed(found)


def test_models_that_one_side_lacks_are_named():
    reference, _ = families(widths=(4, 6, 8), seeds=2)
    deployed = family({4: [first(500)] * 2, 6: [first(400)] * 2}, run=MICRO)
    found = scaling(deployed, reference=reference)
    assert found.pair.models == tuple(m.model for m in deployed.models)
    assert "left out of every comparison, as tflm-int8 lacks them: scalecnn-c8-seed0, scalecnn-c8-seed1" in found.notes


def test_what_was_mixed_is_said(runs, shapes_test):
    edit_outcomes(runs, "scalecnn-c6-seed0", "tflm-int8", lambda h: h["run"].update(machine="aarch64"))
    found = scaling(read_family(runs, "tflm-int8", shapes_test, mixed=True))
    assert any(note.startswith("mixed on tflm-int8: machine: ") for note in found.notes)


def test_where_the_models_were_trained_is_said_if_it_differs():
    found = family({4: [first(500)], 6: [first(400)]})
    found.models[1].training["torch"] = "2.13"
    assert "training differs in torch: None (scalecnn-c4-seed0), 2.13 (scalecnn-c6-seed0)" in scaling(found).notes
