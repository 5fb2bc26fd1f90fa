from __future__ import annotations

import exporting
import numpy as np
import pytest

from tinyedge.errors import ExportError
from tinyedge.exporters.representative import MIN_COUNT, draw_representative


def test_the_draw_is_recorded_and_repeatable():
    first, again = (draw_representative(exporting.noise(), count=110, seed=5) for _ in range(2))
    other = draw_representative(exporting.noise(), count=110, seed=6)
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    assert first.origin == {
        "data": "noise",
        "data_digest": exporting.noise().digest,
        "split": "train",
        "count": 110,
        "seed": 5,
        "images_digest": again.origin["images_digest"],
    }


def test_test_images_are_refused():
    with pytest.raises(ExportError, match=r"(?s)must come from training data.*test split"):
        draw_representative(exporting.noise("test"), count=110)


@pytest.mark.parametrize("count", [0, 1, MIN_COUNT - 1])
def test_too_few_are_refused(count):
    with pytest.raises(ExportError, match=rf"(?s)too few representative images.*{MIN_COUNT} or more"):
        draw_representative(exporting.noise(), count=count)


def test_more_than_there_are_is_refused_with_how_many_there_are():
    with pytest.raises(ExportError, match="--representative 160"):
        draw_representative(exporting.noise(), count=161)
