from __future__ import annotations

import exporting
import numpy as np
import pytest
import torch

from tinyedge.errors import ExportError
from tinyedge.exporters.keras_copy import keras_copy
from tinyedge.exporters.quiet import quiet
from tinyedge.exporters.source import TorchSource
from tinyedge.models.family import Member


@pytest.mark.parametrize("member", [Member("scalecnn", 4), Member("mobilenetv2", 0.1)])
def test_the_copy_computes_what_the_member_computes(member):
    torch.manual_seed(0)
    source = TorchSource(exporting.settled(member.build()), (32, 32, 3), member.name)
    images = exporting.noise("test", 8).images
    with quiet("the copy failed", where=member.name):
        found = keras_copy(source)(source.convention.apply(images), training=False).numpy()
    expected = source.outputs(images)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_an_unknown_layer_is_named():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.SiLU(), torch.nn.AvgPool2d(6), torch.nn.Flatten())
    with pytest.raises(ExportError, match="SiLU"):
        keras_copy(TorchSource(module, (8, 8, 3), "m"))
