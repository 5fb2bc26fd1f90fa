import numpy as np
import pytest
from PIL import Image

from tinyedge.data.decode import decode_image
from tinyedge.data.folder import folder_splits, read_folder
from tinyedge.errors import (
    ClassCountMismatch,
    CorruptImage,
    DataError,
    DatasetEmpty,
    DatasetNotFound,
    ImageSizeMismatch,
)


def test_splits_sorted_classes_and_pixels(tmp_path, make, as_folder):
    train, test = make(9, split="train"), make(8, split="test", seed=1)
    for dataset in (train, test):
        as_folder(dataset, tmp_path / "photos" / dataset.split)
    assert folder_splits(tmp_path / "photos") == ("train", "test")
    for dataset in (train, test):
        found = read_folder(tmp_path / "photos", dataset.split)
        assert (found.name, found.split, found.source) == ("photos", dataset.split, "photos (image folder)")
        assert found.class_names == ("class 0", "class 1", "class 2")
        assert found.digest == dataset.digest
        assert (np.diff(found.labels) >= 0).all(), "class by class"


def test_a_folder_that_is_itself_the_split(tmp_path, make, as_folder):
    dataset = make(9)
    as_folder(dataset, tmp_path / "photos")
    assert folder_splits(tmp_path / "photos") == ()
    assert read_folder(tmp_path / "photos", "test").digest == dataset.digest


def test_labels_txt_states_the_order(tmp_path, make, as_folder):
    as_folder(make(9), tmp_path / "test")
    (tmp_path / "labels.txt").write_text("class 2\nclass 0\n\nclass 1\n")
    found = read_folder(tmp_path, "test")
    assert found.class_names == ("class 2", "class 0", "class 1")
    by_name = read_folder(tmp_path / "test", "test")
    of_two = found.images[found.labels == 0]
    np.testing.assert_array_equal(of_two, by_name.images[by_name.labels == 2])
    (tmp_path / "test" / "labels.txt").write_text("class 1\nclass 0\nclass 2\n")
    assert read_folder(tmp_path, "test").class_names[0] == "class 1", "the split's own list goes before"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("class 0\nclass 1", "does not list: class 2"),
        ("class 0\nclass 1\nclass 2\nclass 3", "without a folder: class 3"),
        ("class 0\nclass 1\nclass 2\nclass 0", "twice"),
    ],
)
def test_labels_txt_that_does_not_fit(tmp_path, make, as_folder, lines, words):
    as_folder(make(9), tmp_path)
    (tmp_path / "labels.txt").write_text(lines)
    with pytest.raises(ClassCountMismatch, match=words):
        read_folder(tmp_path, "test")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".PNG"])
def test_lossless_formats(tmp_path, make, suffix):
    image = make(1, (7, 5)).images[0]
    (tmp_path / "a").mkdir()
    Image.fromarray(image).save(tmp_path / "a" / f"0{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(read_folder(tmp_path, "test").images[0], image)


def test_jpeg_is_near(tmp_path):
    image = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(image).save(tmp_path / "a" / "0.jpeg", quality=95)
    found = read_folder(tmp_path, "test").images[0].astype(int)
    assert np.abs(found - image).max() <= 4


def test_grey_stays_grey_and_joins_colour_losslessly(tmp_path, make, as_folder):
    grey = make(6, channels=1)
    as_folder(grey, tmp_path)
    assert read_folder(tmp_path, "test").images.shape == (6, 5, 4, 1)
    assert read_folder(tmp_path, "test").digest == grey.digest
    Image.fromarray(make(1, seed=3).images[0]).save(tmp_path / "class 2" / "z.png")
    mixed = read_folder(tmp_path, "test").images
    assert mixed.shape == (7, 5, 4, 3)
    np.testing.assert_array_equal(mixed[0, :, :, 0], mixed[0, :, :, 2])


def test_palette_and_bilevel_images(tmp_path):
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8))
    (tmp_path / "a").mkdir()
    image.quantize(2).save(tmp_path / "a" / "p.png")
    np.testing.assert_array_equal(read_folder(tmp_path, "test").images[0], np.asarray(image))
    (tmp_path / "b").mkdir()
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "b" / "1.png")
    np.testing.assert_array_equal(read_folder(tmp_path, "test").images[1, 0, :, 1], [0, 255])


@pytest.mark.parametrize("keep", [0, 5, 40, -30])
def test_truncated_image_is_named(tmp_path, make, as_folder, keep):
    as_folder(make(9, (30, 30)), tmp_path)
    path = tmp_path / "class 1" / "00001.png"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptImage, match=r"00001\.png(.|\n)*bytes"):
        read_folder(tmp_path, "test")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_a_file_cut_anywhere_never_gives_other_pixels(tmp_path, make, suffix):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    Image.fromarray(make(1, (24, 24)).images[0]).save(whole)
    content, pixels = whole.read_bytes(), decode_image(whole)
    refused = 0
    for keep in range(0, len(content), 7):
        cut.write_bytes(content[:keep])
        try:
            np.testing.assert_array_equal(decode_image(cut), pixels, err_msg=f"{keep} of {len(content)} bytes")
        except CorruptImage:
            refused += 1
    assert refused >= len(content) // 7 - 2, "only the end marker may be missing"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
@pytest.mark.parametrize(
    "content", [b"<html>404 not found</html>", b"\x89PNG\r\n\x1a\n" + bytes(60), b"RIFF\0\0\0\0WEBPVP8L"]
)
def test_what_is_no_image_is_named(tmp_path, suffix, content):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"x{suffix}").write_bytes(content)
    with pytest.raises(CorruptImage, match=rf"a.x\{suffix}"):
        read_folder(tmp_path, "test")


def test_a_flipped_bit_in_the_data_of_a_png(tmp_path, make, as_folder):
    as_folder(make(3, (30, 30)), tmp_path)
    path = tmp_path / "class 0" / "00000.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CorruptImage, match=r"00000\.png"):
        read_folder(tmp_path, "test")


def test_a_decompression_bomb_is_refused_without_a_warning(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    Image.new("L", (40, 40)).save(tmp_path / "a" / "bomb.png")
    for limit in (1500, 100):  # Pillow warns above its limit, and raises above twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(CorruptImage, match=r"claims more pixels(.|\n)*bomb\.png"):
            read_folder(tmp_path, "test")


def test_mixed_sizes_name_both(tmp_path, make, as_folder):
    as_folder(make(6, (5, 4)), tmp_path)
    Image.fromarray(make(1, (9, 8)).images[0]).save(tmp_path / "class 1" / "odd.png")
    with pytest.raises(ImageSizeMismatch) as caught:
        read_folder(tmp_path, "test")
    text = str(caught.value)
    assert all(word in text for word in ("odd.png", "9 x 8", "5 x 4", "00000.png", "resize"))


def test_a_stated_size_holds_for_the_first_image_too(tmp_path, make, as_folder):
    as_folder(make(6, (5, 4)), tmp_path)
    assert len(read_folder(tmp_path, "test", size=(5, 4))) == 6
    with pytest.raises(ImageSizeMismatch, match=r"00000\.png(.|\n)*5 x 4(.|\n)*4 x 5, as asked for"):
        read_folder(tmp_path, "test", size=(4, 5))


def test_strays_are_named_and_droppings_ignored(tmp_path, make, as_folder):
    as_folder(make(6), tmp_path)
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "class 0" / "Thumbs.db").touch()
    assert len(read_folder(tmp_path, "test")) == 6
    (tmp_path / "class 1" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"neither a class nor an image(.|\n)*notes\.txt"):
        read_folder(tmp_path, "test")
    (tmp_path / "class 1" / "notes.txt").rename(tmp_path / "readme.md")
    with pytest.raises(DataError, match=r"readme\.md"):
        read_folder(tmp_path, "test")
    (tmp_path / "readme.md").unlink()
    (tmp_path / "class 1" / "deeper").mkdir()
    with pytest.raises(DataError, match="deeper"):
        read_folder(tmp_path, "test")


def test_empty_class_is_named(tmp_path, make, as_folder):
    as_folder(make(6), tmp_path)
    (tmp_path / "class 9").mkdir()
    with pytest.raises(DatasetEmpty, match="class 9"):
        read_folder(tmp_path, "test")


def test_missing_and_empty_folders(tmp_path, make, as_folder):
    with pytest.raises(DatasetNotFound, match="nowhere"):
        read_folder(tmp_path / "nowhere", "test")
    with pytest.raises(DatasetEmpty, match="no class folders"):
        read_folder(tmp_path, "test")
    as_folder(make(6), tmp_path / "train")
    with pytest.raises(DatasetNotFound, match=r"no such split(.|\n)*train(.|\n)*test"):
        read_folder(tmp_path, "test")


def test_splits_with_other_classes(tmp_path, make, as_folder):
    as_folder(make(6), tmp_path / "train")
    as_folder(make(6, classes=4), tmp_path / "test")
    with pytest.raises(ClassCountMismatch, match="class 3"):
        read_folder(tmp_path, "test")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("RGBA", (4, 4), (1, 2, 3, 128)), "transparency"),
        (Image.fromarray(np.full((4, 4), 40000, np.uint16)), "I;16"),
    ],
)
def test_what_would_lose_something(tmp_path, image, words):
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / "x.png")
    with pytest.raises(DataError, match=words):
        read_folder(tmp_path, "test")


def test_animations(tmp_path):
    frames = [Image.new("RGB", (4, 4), (i * 90, 0, 0)) for i in range(3)]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "x.webp", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(DataError, match="3 frames"):
        read_folder(tmp_path, "test")
