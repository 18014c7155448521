"""Images one after the other as an animated GIF or WebP."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.errors import InputError
from gensuite.inference.images import picture, to_uint8
from gensuite.inference.latents import is_whole

KINDS: dict[str, dict[str, Any]] = {
    "gif": {},
    "webp": {"lossless": True},
}
"""Format → how Pillow writes it."""


def animation(
    images: NDArray[Any],
    *,
    kind: str = "gif",
    milliseconds: int = 80,
    back: bool = False,
    scale: int = 1,
) -> bytes:
    """Encode images as a film that repeats for ever; the same images always give the same bytes.

    WebP keeps every pixel. GIF keeps greys, and of a coloured image 256 colours. In both, equal
    images that follow each other are one that lasts longer.

    Args:
        images: ``(count, height, width, channels)`` in [0, 1] or uint8, count at least 1.
        kind: ``"gif"`` or ``"webp"``.
        milliseconds: that each image is shown, from 20 to 10,000; GIF counts hundredths of a
            second and cuts off the rest.
        back: show the images there and then back again, so that the film does not jump.
        scale: each pixel becomes a square of this side.

    Raises:
        InputError: ``kind`` or ``milliseconds`` is not allowed.
    """
    if kind not in KINDS:
        raise InputError(f"kind: {kind!r} given; allowed are {' and '.join(map(repr, KINDS))}")
    if not is_whole(milliseconds) or not 20 <= milliseconds <= 10_000:
        raise InputError(
            f"milliseconds: {milliseconds!r} given; allowed is a whole number from 20 to 10,000"
        )
    pixels = to_uint8(images).repeat(scale, axis=1).repeat(scale, axis=2)
    if back:
        pixels = np.concatenate([pixels, pixels[-2:0:-1]])
    frames = [picture(each) for each in pixels]
    stream = io.BytesIO()
    frames[0].save(
        stream,
        format=kind,
        save_all=True,
        append_images=frames[1:],
        duration=int(milliseconds),
        loop=0,
        **KINDS[kind],
    )
    return stream.getvalue()
