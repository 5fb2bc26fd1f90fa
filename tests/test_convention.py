import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinyedge.convention import FAMILY_CONVENTION, NORMALIZATIONS, InputConvention, Stated, luma, parse_normalize
from tinyedge.errors import UsageError

RAMP = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize(
    ("text", "low", "high"), [("0..255", 0, 255), ("0..1", 0, 1), ("-1..1", -1, 1), ("128,128", -1, 127 / 128)]
)
def test_a_range_is_what_black_and_white_become(text, low, high):
    real = InputConvention(*parse_normalize(text)).apply(RAMP)
    assert real.dtype == np.float32
    assert (real.min(), real.max()) == (pytest.approx(low), pytest.approx(high))


def test_imagenet_is_torchvisions_in_pixel_units():
    mean, std = parse_normalize("imagenet")
    assert mean == pytest.approx(255 * np.array([0.485, 0.456, 0.406]))
    assert std == pytest.approx(255 * np.array([0.229, 0.224, 0.225]))
    assert parse_normalize("123.675,116.28,103.53,58.395,57.12,57.375") == (mean, std)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "0,0", "0,-1", "nan,1", "0,inf", "a,b", "1,2,3,4,5,6,7", "0...1"])
def test_what_is_no_convention_is_refused_with_what_is(text):
    with pytest.raises(UsageError, match=r"(?s)--normalize.*0\.\.255.*MEAN,STD"):
        parse_normalize(text)


@pytest.mark.parametrize("text", ["0.5,0.5", "0.485,0.456,0.406,0.229,0.224,0.225"])
def test_numbers_in_units_of_0_to_1_are_shown_in_both_readings(text):
    with pytest.raises(UsageError, match="read in two ways") as caught:
        parse_normalize(text)
    assert "in pixel units the inputs would run from" in caught.value.found
    assert "--normalize -1..1" in caught.value.fix or "--normalize imagenet" in caught.value.fix


def test_flags_state_a_convention_again():
    for name, pair in NORMALIZATIONS.items():
        assert InputConvention(*pair).flags == f"--normalize {name}"
    odd = InputConvention((1.5,), (2.0,), "BGR", "area")
    assert odd.flags == "--normalize 1.5,2 --color BGR --resize area"
    assert parse_normalize(odd.flags.split()[1]) == (odd.mean, odd.std)


@given(st.integers(0, 2**24 - 1))
def test_luma_is_pillows(packed):
    pixel = np.array([packed >> 16, packed >> 8 & 255, packed & 255], np.uint8).reshape(1, 1, 3)
    assert luma(pixel[None])[0, 0, 0, 0] == np.asarray(Image.fromarray(pixel).convert("L"))[0, 0]


def test_grey_models_take_rgb_as_luma_only_where_that_is_stated():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    plain = InputConvention((0.0,), (1.0,))
    assert "--color GRAY" in plain.lacks((4, 4, 3), (4, 4, 1))
    grey = InputConvention((0.0,), (1.0,), "GRAY")
    assert grey.lacks((4, 4, 3), (4, 4, 1)) is None
    np.testing.assert_array_equal(grey.apply(rgb, (4, 4, 1)), luma(rgb))
    assert any("ITU-R 601" in step for step in grey.steps((4, 4, 3), (4, 4, 1)))


def test_rgb_models_take_grey_as_three_equal_channels_and_say_so():
    real = FAMILY_CONVENTION.apply(RAMP, (16, 16, 3))
    assert real.shape == (1, 16, 16, 3)
    assert (real[..., 0] == real[..., 1]).all()
    assert (real[..., 0] == real[..., 2]).all()
    assert FAMILY_CONVENTION.lacks((16, 16, 1), (16, 16, 3)) is None
    assert "red, green and blue" in FAMILY_CONVENTION.steps((16, 16, 1), (16, 16, 3))[0]


def test_another_size_needs_a_method_and_every_step_is_said():
    wide = (8, 12, 3)
    assert "--resize bilinear or nearest or area" in FAMILY_CONVENTION.lacks(wide, (4, 4, 3))
    sized = InputConvention((0.0,), (255.0,), "BGR", "area")
    assert sized.lacks(wide, (4, 4, 3)) is None
    assert sized.steps(wide, (4, 4, 3)) == (
        "resized from 8x12 to 4x4, area, no antialiasing",
        "channels in the order blue, green, red",
        "(pixel - 0) / 255",
    )
    images = np.random.default_rng(0).integers(0, 256, (3, *wide), np.uint8)
    assert sized.apply(images, (4, 4, 3)).shape == (3, 4, 4, 3)


def test_flags_override_the_side_car_part_by_part():
    known = InputConvention((128.0,), (128.0,), "BGR")
    assert Stated().over(known) == known
    assert Stated().over(None) is None
    assert Stated(color="BGR").over(None) is None, "the normalization is still unknown"
    assert Stated(normalize=((0.0,), (1.0,))).over(known) == InputConvention((0.0,), (1.0,), "BGR")
    assert Stated(color="RGB", resize="area").over(known) == InputConvention((128.0,), (128.0,), "RGB", "area")
    assert Stated(normalize=((0.0,), (1.0,))).over(None) == InputConvention((0.0,), (1.0,))


def test_json_brings_a_convention_back_also_that_of_an_earlier_release():
    assert InputConvention.of({"mean": [1], "std": [2], "color": "BGR", "resize": "area"}) == InputConvention(
        (1,), (2,), "BGR", "area"
    )
    assert InputConvention.of({"mean": [128.0], "std": [128.0], "color": "RGB"}) == FAMILY_CONVENTION
    with pytest.raises(UsageError, match="resize cubic"):
        InputConvention.of({"mean": [1], "std": [2], "color": "RGB", "resize": "cubic"})
