import pytest
import torch

from tests.support.fake_sweep import BASIS
from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.sweep.states import pack_states, state_path, unpack_states
from tinyedge.train.checkpoint import Checkpoint, RunKey


def state_of(seed):
    key = RunKey(Member("scalecnn", 4), BASIS.recipe, seed, "toy", "digest", "fp32")
    return Checkpoint(key, 2, 7.0, {"w": torch.full((3,), float(seed))}, {"w": torch.zeros(3)}, {"threads": 1})


@pytest.mark.parametrize("seeds", [(5,), (0, 1, 12)])
def test_states_read_back(seeds):
    states = [state_of(seed) for seed in seeds]
    path = state_path([state.key.name for state in states])
    read = unpack_states(path, pack_states(states))
    assert [(s.key, s.epoch, s.seconds, s.facts) for s in read] == [(s.key, s.epoch, 7.0, s.facts) for s in states]
    assert [float(s.model["w"][0]) for s in read] == list(seeds)
    assert pack_states(read) == pack_states(states), "equal states, equal bytes"


def test_a_damaged_state_is_said():
    content = pack_states([state_of(0), state_of(1)])
    for broken in (b"", content[: len(content) // 2], b"PK" + bytes(100)):
        with pytest.raises(TrainingError, match="cannot be read") as caught:
            unpack_states("a-seeds0.1.state.zip", broken)
        assert "a-seeds0.1.state.zip" in str(caught.value)
