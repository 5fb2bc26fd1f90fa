import dataclasses
from types import SimpleNamespace

import pytest

from tests.support.fake_sweep import BASIS, FakeRunner, contents, plan_of, sweep
from tinyedge.errors import SweepError
from tinyedge.sweep import merge as merge_module
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.merge import check_basis, merge
from tinyedge.sweep.plan import Unit


@pytest.fixture
def whole(tmp_path):
    folder = SweepFolder(tmp_path / "whole")
    sweep(folder, plan_of(4, 6))
    return folder


def slices(tmp_path):
    """Two machines' halves."""
    a, b = SweepFolder(tmp_path / "a"), SweepFolder(tmp_path / "b")
    sweep(a, plan_of(4))
    sweep(b, plan_of(6))
    return a, b


def test_slices_of_two_machines_join_to_one_sweep(whole, tmp_path):
    a, b = slices(tmp_path)
    done = merge(a, b)
    assert (done.taken, done.both, done.differing, done.states) == (3 * 5, 0, (), 0)
    assert contents(a) == contents(whole)
    runner = FakeRunner()
    sweep(SweepFolder(a.root), plan_of(4, 6), runner)
    assert runner.performed == [], "nothing is done twice"


def test_joining_into_a_new_folder_takes_everything(whole, tmp_path):
    a, b = slices(tmp_path)
    new = SweepFolder(tmp_path / "new")
    merge(new, b)
    merge(new, a)
    assert contents(new) == contents(whole)
    again = merge(new, a)
    assert (again.taken, again.both) == (0, 15)


def test_half_done_models_complete_each_other(whole, tmp_path):
    a = SweepFolder(tmp_path / "a")
    sweep(a, plan_of(4, 6, targets=("onnx-fp32",)))
    b = SweepFolder(tmp_path / "b")
    sweep(b, plan_of(4, 6, targets=("tflite-int8",)))
    merge(a, b)
    assert contents(a) == contents(whole)


def test_outcomes_alone_keep_a_sweep_from_doing_anything_twice(whole, tmp_path):
    """As in a repository that has no room for weights."""
    kept = SweepFolder(tmp_path / "kept")
    assert merge(kept, whole, keep=lambda path: path.startswith("outcomes/")).taken == 30
    assert not list(kept.root.glob("*.safetensors"))
    new = SweepFolder(tmp_path / "new")
    merge(new, kept)
    runner = FakeRunner()
    assert sweep(new, plan_of(4, 6), runner).left == 0
    assert runner.performed == []
    assert merge(new, whole).taken == 0
    assert contents(new) == contents(whole), "the weights came along"


def test_another_machine_s_rounding_stays_out_with_all_that_follows_from_it(whole, tmp_path):
    other = SweepFolder(tmp_path / "other")
    sweep(other, plan_of(4, 6), fuse=1)  # here as there: another grouping, other bytes
    mine = contents(whole)
    extra = SweepFolder(other.root)
    sweep(extra, plan_of(4, 6, targets=("tflm-int8",)), fuse=1)
    done = merge(whole, extra)
    assert done.taken == 0
    assert "scalecnn-c4-seed0 train" in done.differing
    assert "scalecnn-c4-seed0 predict tflm-int8" in done.differing
    manifest = whole.root / "sweep.json"
    assert {name: content for name, content in contents(whole).items() if name != manifest.name} == {
        name: content for name, content in mine.items() if name != manifest.name
    }


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"test_digest": "other"}, "test digest"),
        ({"results_version": 99}, "results version"),
        ({"precision": "bf16"}, "precision"),
    ],
)
def test_other_data_or_code_is_refused(tmp_path, change, word):
    a, b = slices(tmp_path)
    b.write_manifest(dataclasses.replace(BASIS, **change), plan_of(6))
    before = contents(a)
    with pytest.raises(SweepError, match=word) as caught:
        merge(a, b)
    assert "own --out" in str(caught.value)
    assert contents(a) == before


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(SweepError, match="no sweep in this folder"):
        merge(SweepFolder(tmp_path / "a"), SweepFolder(tmp_path / "b"))


def test_a_damaged_checkpoint_is_not_taken(tmp_path):
    a, b = slices(tmp_path)
    (b.root / "scalecnn-c6-seed1.safetensors").write_bytes(b"other")
    with pytest.raises(SweepError, match="not the one that its record describes"):
        merge(a, SweepFolder(b.root))
    assert a.done(Unit(plan_of(6).models[1], "train"), BASIS) is None


def state(folder, name, epoch):
    folder.root.mkdir(exist_ok=True)
    (folder.root / name).write_bytes(str(epoch).encode())


@pytest.mark.parametrize(("mine", "theirs", "expected"), [(None, 5, 5), (3, 5, 5), (7, 5, 7)])
def test_the_state_that_is_further_on_is_kept(tmp_path, monkeypatch, mine, theirs, expected):
    monkeypatch.setattr(merge_module, "unpack_states", lambda name, content: [SimpleNamespace(epoch=int(content))])
    a, b = SweepFolder(tmp_path / "a"), SweepFolder(tmp_path / "b")
    name = "scalecnn-c4-seeds0.1.state.zip"
    b.root.mkdir()
    b.write_manifest(BASIS, plan_of(4))
    state(b, name, theirs)
    if mine is not None:
        state(a, name, mine)
    done = merge(a, b)
    assert done.states == (expected == theirs)
    assert (a.root / name).read_bytes() == str(expected).encode()


def test_seeds_that_only_the_other_has_begun_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(merge_module, "unpack_states", lambda name, content: [SimpleNamespace(epoch=int(content))])
    a, b = SweepFolder(tmp_path / "a"), SweepFolder(tmp_path / "b")
    b.root.mkdir()
    b.write_manifest(BASIS, plan_of(4))
    state(a, "scalecnn-c4-seeds0.1.state.zip", 60)
    state(b, "scalecnn-c4-seeds0.1.2.state.zip", 50)
    assert merge(a, b).states == 1
    assert sorted(p.name for p in a.root.glob("*.state.*")) == [
        "scalecnn-c4-seeds0.1.2.state.zip",
        "scalecnn-c4-seeds0.1.state.zip",
    ]


def test_a_state_of_what_is_finished_is_not_taken(whole, tmp_path):
    b = SweepFolder(tmp_path / "b")
    b.root.mkdir()
    b.write_manifest(BASIS, plan_of(4))
    state(b, "scalecnn-c4-seeds0.1.state.zip", 2)
    assert merge(whole, b).states == 0


def test_equal_bases_pass(tmp_path):
    check_basis(BASIS, dataclasses.replace(BASIS), tmp_path)
