"""Pictures that people bring: what is read, what is refused, and how it fits a model."""

import zlib

import numpy as np
import pytest
from PIL import Image

from gensuite.errors import InputError
from gensuite.inference.pictures import difference, read_picture
from tests.hostile_pictures import encoded, png_chunk, png_file

GREY, COLOUR = (28, 28, 1), (16, 24, 3)


def gradient(mode: str = "RGB", size: tuple[int, int] = (40, 40)) -> Image.Image:
    """Dark on the left, light on the right."""
    row = np.linspace(0, 255, size[0]).astype(np.uint8)
    return Image.fromarray(np.tile(row, (size[1], 1))).convert(mode)


def claimed_png(width: int, height: int) -> bytes:
    """A small file whose header claims a picture of any size."""
    return png_file(width, height, png_chunk(b"IDAT", zlib.compress(bytes(100_000))))


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("I;16", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "WEBP"),
        ("P", "GIF"),
        ("RGB", "BMP"),
    ],
)
def test_every_kind_of_picture_becomes_an_image_of_the_model(shape, mode, kind):
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(gradient("L"), np.uint16) * 257)
    else:
        picture = gradient().convert(mode)
    image = read_picture(encoded(picture, kind), shape)
    assert image.shape == (1, *shape)
    assert image.dtype == np.float32
    assert 0 <= image.min() < 0.1
    assert 0.9 < image.max() <= 1
    assert image[0, 8, -6].mean() > image[0, 8, 5].mean() + 0.3


def test_inverting_exchanges_black_and_white():
    content = encoded(gradient("L"))
    both = [read_picture(content, GREY, invert=invert) for invert in (False, True)]
    assert np.allclose(both[0] + both[1], 1, atol=1 / 255)


def test_the_whole_picture_is_fitted_and_the_rest_has_the_colour_of_its_border():
    picture = Image.new("L", (100, 50), 200)
    picture.paste(0, (40, 10, 60, 40))
    image = read_picture(encoded(picture), GREY)[0, :, :, 0]
    assert np.allclose(image[:7], 200 / 255, atol=0.01)
    assert np.allclose(image[-7:], 200 / 255, atol=0.01)
    assert image[14, 14] < 0.05


def test_exif_turns_a_picture_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    upright = read_picture(encoded(gradient("L"), "JPEG"), GREY)
    turned = read_picture(encoded(gradient("L"), "JPEG", exif=exif), GREY)
    assert np.allclose(turned[0], np.rot90(upright[0], -1), atol=0.05)


def test_a_large_picture_is_turned_and_fitted_like_a_small_one():
    exif = Image.Exif()
    exif[0x0112] = 6
    small, large = (
        read_picture(encoded(gradient("RGB", size), "JPEG", exif=exif), GREY)
        for size in ((40, 20), (3000, 1500))
    )
    assert np.allclose(small, large, atol=0.1)


@pytest.mark.parametrize("size", [(1, 400), (400, 1), (5000, 1)])
def test_of_the_narrowest_picture_one_line_is_left(size):
    image = read_picture(encoded(Image.new("L", size, 90)), GREY)
    assert np.allclose(image, 90 / 255)


def test_transparency_becomes_white():
    assert read_picture(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), GREY).min() == 1


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("L", (9, 9), value) for value in (50, 250)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(content, GREY).max() < 0.3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"a text file named .png", "not a picture"),
        (b"%PDF-1.4", "not a picture"),
        (encoded(gradient(), "TIFF"), "not a picture"),
        (encoded(gradient())[:60], "damaged"),
        (encoded(gradient("RGB", (400, 400)), "JPEG")[:-900], "damaged"),
        (claimed_png(8000, 5000), "40 million pixels given"),
        (claimed_png(60_000, 60_000), "million pixels given"),
        (claimed_png(3000, 3000), "damaged"),
        (bytes(5 * 2**20 + 1), "5.2 MB given"),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused_in_one_line(content, reason):
    with pytest.raises(InputError, match=reason) as refused:
        read_picture(content, GREY)
    assert "\n" not in str(refused.value)


def test_an_honest_bomb_of_many_pixels_is_refused_before_it_is_decoded():
    content = encoded(Image.new("1", (8000, 5000)))
    assert len(content) < 10_000
    with pytest.raises(InputError, match="40 million pixels"):
        read_picture(content, GREY)


def test_the_difference_is_white_blue_or_vermilion():
    first = np.array([[[0.5], [1.0], [0.0]]], np.float32)
    second = np.array([[[0.5], [0.0], [1.0]]], np.float32)
    colours = np.rint(difference(first, second) * 255)[0].tolist()
    assert colours == [[255, 255, 255], [0, 114, 178], [213, 94, 0]]
