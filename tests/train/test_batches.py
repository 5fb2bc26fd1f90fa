import warnings
from dataclasses import replace

import numpy as np
import torch

from tinyedge.train.batches import Batches
from tinyedge.train.recipe import PAPER

CPU = torch.device("cpu")


def rows(order, step):
    return [column[step] for column in order.tensors()]


def test_augmentation_is_a_crop_of_the_padded_image_mirrored_or_not(toy):
    batches = Batches(toy, PAPER, CPU)
    padded = np.pad(toy.images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    images, labels = batches.take(*rows(batches.order([0], 0), 0))
    stored = (images * 128 + 128).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    assert images.is_contiguous(memory_format=torch.channels_last)
    seen = set()
    for image, label in zip(stored[:20], labels[0, :20].tolist(), strict=True):
        candidates = np.flatnonzero(toy.labels == label)
        found = [
            (y, x, mirrored)
            for i in candidates
            for y in range(9)
            for x in range(9)
            for mirrored in (False, True)
            if np.array_equal(image, padded[i, y : y + 32, x : x + 32][:, :: -1 if mirrored else 1])
        ]
        assert found
        seen.add(found[0])
    assert len({s[2] for s in seen}) == 2, "both mirrored and not"
    assert len({s[:2] for s in seen}) > 5, "many offsets"


def test_an_epoch_shows_every_image_once_up_to_the_dropped_rest(toy):
    batches = Batches(toy, PAPER, CPU)
    first, second = (batches.order([0], epoch).index for epoch in (0, 1))
    assert len(batches) == 5
    assert first.shape == (5, 128, 1)
    assert len(torch.unique(first)) == 640
    assert not torch.equal(first, second)


def test_seeds_side_by_side_see_what_each_sees_alone(toy):
    batches = Batches(toy, PAPER, CPU)
    together = batches.order([3, 0, 7], 2)
    images, labels = batches.take(*rows(together, 1))
    assert images.is_contiguous(memory_format=torch.channels_last)
    for position, seed in enumerate((3, 0, 7)):
        alone, of_it = batches.take(*rows(batches.order([seed], 2), 1))
        assert torch.equal(images[:, 3 * position : 3 * position + 3], alone)
        assert torch.equal(labels[position], of_it[0])


def test_without_flips_nothing_is_mirrored(toy):
    batches = Batches(toy, replace(PAPER, flip=False, crop_padding=0), CPU)
    order = batches.order([0], 0)
    images, _ = batches.take(*rows(order, 0))
    expected = torch.from_numpy(toy.images)[order.index[0, :, 0]]
    assert torch.equal((images * 128 + 128).permute(0, 2, 3, 1).to(torch.uint8), expected)


def test_read_only_arrays_are_taken_without_a_warning(toy):
    images, labels = toy.images.copy(), toy.labels.copy()
    images.setflags(write=False)
    labels.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = Batches(replace(toy, images=images, labels=labels), PAPER, CPU)
        batches.take(*rows(batches.order([0], 0), 0))
