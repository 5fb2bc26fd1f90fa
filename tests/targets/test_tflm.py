import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.targets.tflm import TflmInt8


def artifact_of(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


@pytest.fixture
def artifact(tmp_path):
    return artifact_of(tmp_path, tiny_models.tflite())


def test_the_arena_is_found_and_reported_by_the_runtime(artifact):
    with TflmInt8().open(artifact, processes=1) as session:
        facts = session.facts()
    assert facts["arena_used_bytes"] == facts["arena_head_bytes"] + facts["arena_tail_bytes"]
    assert 192 <= facts["arena_head_bytes"] < facts["arena_bytes"] < 20_000, "at least the 8x8x3 input"
    assert facts["arena_limit_bytes"] is None


def test_the_arena_reported_is_the_smallest_that_works(artifact):
    batch = tiny_models.images(3)
    with TflmInt8().open(artifact, processes=1) as session:
        free, needed = session.run(batch), session.facts()["arena_bytes"]
    with TflmInt8(arena_bytes=needed).open(artifact, processes=1) as session:
        assert (session.run(batch) == free).all()
        assert session.facts()["arena_limit_bytes"] == needed
    with pytest.raises(errors.TargetRefused, match="arena is too small"):
        TflmInt8(arena_bytes=needed - 16).open(artifact, processes=1)


@pytest.mark.parametrize("arena_bytes", [16, 1000, 1700])  # 16 and 1700: the runtime segfaults, it does not refuse
def test_an_arena_too_small_says_how_much_is_needed(artifact, arena_bytes):
    with pytest.raises(errors.TargetRefused, match="arena is too small") as caught:
        TflmInt8(arena_bytes).open(artifact, processes=1)
    assert f"{arena_bytes:,} bytes" in caught.value.found
    needed = int(caught.value.expected.split(" bytes")[0].replace(",", ""))
    assert needed > arena_bytes
    assert "larger arena" in caught.value.fix
    assert caught.value.exit_code == 4


def test_an_arena_of_nothing_is_bad_usage():
    with pytest.raises(errors.UsageError):
        TflmInt8(arena_bytes=0)


@pytest.mark.parametrize(("middle", "name"), [("SEGMENT_SUM", "SEGMENT_SUM"), ("CUSTOM", "CUSTOM MyOperator")])
def test_an_operator_that_it_lacks_is_named(tmp_path, middle, name):
    artifact = artifact_of(tmp_path, tiny_models.tflite(middle=middle))
    with pytest.raises(errors.TargetRefused, match="lacks an operator") as caught:
        TflmInt8().open(artifact, processes=1)
    assert caught.value.found == f"{name}, 1 times"
    assert "average pool" in caught.value.fix
    assert caught.value.exit_code == 4
