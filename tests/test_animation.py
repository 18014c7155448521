"""Animated GIF and WebP, read back with Pillow."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gensuite.errors import InputError
from gensuite.inference.animation import animation

GREY = np.linspace(0, 1, 5 * 8 * 8, dtype=np.float32).reshape(5, 8, 8, 1)
COLOUR = np.random.default_rng(0).random((4, 6, 9, 3), np.float32)


def frames(film: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(film)) as opened:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(opened)]


@pytest.mark.parametrize(("kind", "images"), [("gif", GREY), ("webp", GREY), ("webp", COLOUR)])
def test_the_frames_are_the_images(kind, images):
    shown = frames(animation(images, kind=kind, scale=2))
    expected = np.rint(images * 255).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    assert len(shown) == len(images)
    for frame, image in zip(shown, expected, strict=True):
        assert np.array_equal(frame, np.broadcast_to(image, frame.shape))


def test_there_and_back_does_not_show_the_ends_twice():
    shown = frames(animation(GREY, back=True))
    order = [0, 1, 2, 3, 4, 3, 2, 1]
    assert [frame.mean().round() for frame in shown] == [
        np.rint(GREY[at] * 255).mean().round() for at in order
    ]


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_film_repeats_for_ever_at_its_pace_and_has_one_spelling(kind):
    film = animation(GREY, kind=kind, milliseconds=120)
    assert film == animation(GREY, kind=kind, milliseconds=120)
    with Image.open(io.BytesIO(film)) as opened:
        opened.seek(1)
        opened.load()
        assert opened.info["loop"] == 0
        assert opened.info["duration"] == 120


def test_a_single_image_is_a_film_too():
    assert len(frames(animation(GREY[:1], back=True))) == 1


@pytest.mark.parametrize("arguments", [{"kind": "mp4"}, {"milliseconds": 0}, {"milliseconds": 1.5}])
def test_what_is_not_allowed_is_refused(arguments):
    with pytest.raises(InputError, match="allowed"):
        animation(GREY, **arguments)
