import numpy as np
import pytest
import torch

from tinyedge.errors import UsageError
from tinyedge.models import mobilenetv2, scalecnn
from tinyedge.models.family import FAMILIES, Member, members, nearest, parse_count
from tinyedge.train.batches import normalized

# The parameter counts that the study publishes or implies.
SCALECNN = {
    4: 21_936,
    6: 46_570,
    8: 80_348,
    12: 175_336,
    16: 306_900,
    24: 679_756,
    32: 1_198_916,
    48: 2_676_148,
    64: 4_738_596,
}


@pytest.mark.parametrize(("width", "params"), SCALECNN.items())
def test_scalecnn_has_the_studys_parameter_counts(width, params):
    assert scalecnn.plan(width).params == params
    assert _count(scalecnn.build(width)) == params


def test_scalecnn_costs_the_studys_multiply_accumulates():
    published = {4: 0.92, 6: 1.99, 8: 3.47, 12: 7.63, 16: 13.4, 24: 29.9, 32: 52.8, 48: 118, 64: 209}
    for width, mmac in published.items():
        assert scalecnn.plan(width).macs / 1e6 == pytest.approx(mmac, rel=0.006)


@pytest.mark.parametrize("width", mobilenetv2.WIDTHS)
def test_mobilenetv2_plan_counts_what_torchvision_builds(width):
    assert mobilenetv2.plan(width).params == _count(mobilenetv2.build(width))


def test_mobilenetv2_at_3_is_the_studys_largest():
    assert mobilenetv2.plan(3.0).params == 19_803_748


MEMBERS = (Member("scalecnn", 4), Member("mobilenetv2", 0.1), Member("mobilenetv2", 0.25, 10, 2))


@pytest.mark.parametrize("member", MEMBERS)
def test_plan_macs_equal_those_of_the_built_model(member):
    counted = 0

    def count(module, inputs, output):
        nonlocal counted
        weights = module.weight.numel()
        counted += weights * (output.shape[-1] ** 2 if output.ndim == 4 else 1)

    model = member.build().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        logits = model(torch.zeros(1, 3, 32, 32))
    assert logits.shape == (1, member.num_classes)
    assert counted == member.plan.macs


def test_stem_stride_changes_work_not_parameters():
    assert mobilenetv2.plan(0.5, stem_stride=1).params == mobilenetv2.plan(0.5, stem_stride=2).params
    assert mobilenetv2.plan(0.5, stem_stride=1).macs > 2 * mobilenetv2.plan(0.5, stem_stride=2).macs


def test_other_class_counts_change_only_the_head():
    assert scalecnn.plan(6, 10).params == scalecnn.plan(6).params - 90 * (48 + 1)


def test_family_input_is_pixel_minus_128_over_128():
    pixels = torch.tensor([0, 1, 128, 255], dtype=torch.uint8).reshape(1, 2, 2, 1)
    assert normalized(pixels).flatten().tolist() == [-1.0, -127 / 128, 0.0, 127 / 128]


def test_nearest_says_which_and_how_far():
    found = nearest(50_000)
    assert found.member == Member("scalecnn", 6)
    assert found.factor == pytest.approx(46_570 / 50_000)


def test_nearest_is_by_log_ratio_not_by_difference():
    # 115k lies between 80,348 (a factor 1.43) and 175,336 (1.52); by difference both would be near.
    low, high = (nearest(n).member.width for n in (100_000, 140_000))
    assert (low, high) == (8, 12)


@pytest.mark.parametrize("asked", [10_000, 118_000, 9_000_000])
def test_nearest_refuses_beyond_the_factor(asked):
    with pytest.raises(UsageError, match=r"factor 1\.35") as caught:
        nearest(asked)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text", ["", "0", "-5k", "fifty", "50kk", "nan", "1e5", "0.4", "1" + 400 * "0", 400 * "9" + "k", "1000001M"]
)
def test_parse_count_refuses(text):
    with pytest.raises(UsageError, match=r"50k, 1\.2M or 46570"):
        parse_count(text)


def test_parse_count_takes_up_to_ten_to_the_twelve():
    assert parse_count("1000000M") == 10**12
    with pytest.raises(UsageError, match="no member of scalecnn is near"):
        nearest(10**12)


def test_unknown_names_get_the_nearest():
    with pytest.raises(UsageError, match="did you mean scalecnn"):
        members("scale-cnn")
    with pytest.raises(UsageError, match="4, 6, 8, 12"):
        Member("scalecnn", 5)
    with pytest.raises(UsageError, match="1 or 2"):
        mobilenetv2.plan(1.0, stem_stride=3)


def test_members_are_ordered_by_size():
    for family in FAMILIES:
        sizes = [m.plan.params for m in members(family)]
        assert sizes == sorted(sizes)
        assert np.all(np.diff(sizes) > 0)


def _count(model):
    return sum(p.numel() for p in model.parameters())
