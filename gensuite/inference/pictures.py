"""Pictures that people bring: read within limits, and made into images of a model's shape."""

import io

import numpy as np
from PIL import Image, ImageOps

from gensuite.errors import InputError
from gensuite.inference.inputs import Images

MAX_BYTES = 5 * 2**20
MAX_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")

_LONGEST = 1024
"""Pixels of a picture's longer side, before it is turned, coloured and fitted."""

_BLUE, _VERMILION = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255
"""Of Okabe and Ito's palette."""


def read_picture(content: bytes, shape: tuple[int, int, int], *, invert: bool = False) -> Images:
    """Make an image of a model's shape of a picture file.

    Of an animation the first frame is taken, EXIF's orientation is followed, and transparency
    becomes white. The whole picture is fitted into the shape; what it leaves free gets the colour
    of its border.

    Args:
        content: of a PNG, JPEG, WebP, GIF or BMP of at most 5 MiB and 16 million pixels.
        shape: ``(height, width, channels)``; grey with one channel, otherwise RGB.
        invert: exchange black and white.

    Returns:
        ``(1, height, width, channels)`` float32 in [0, 1].

    Raises:
        InputError: the file is too large, of another kind, or damaged.
    """
    height, width, channels = shape
    picture = convert(_decode(content), channels)
    if invert:
        picture = ImageOps.invert(picture)
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    fitted = picture.resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new(fitted.mode, (width, height), _border(fitted))
    canvas.paste(fitted, ((width - fitted.width) // 2, (height - fitted.height) // 2))
    return np.asarray(canvas, np.float32).reshape(1, height, width, channels) / np.float32(255)


def convert(image: Image.Image, channels: int) -> Image.Image:
    """Turn a picture of any mode into 8-bit grey or RGB; transparency becomes white."""
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's convert would clip
        values = np.asarray(image, np.float64)
        return convert(Image.fromarray(np.uint8(np.clip(values / 257.0, 0, 255))), channels)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba)
    return image.convert("L" if channels == 1 else "RGB")


def difference(first: Images, second: Images) -> Images:
    """Where the second image is darker (blue) or lighter (vermilion) than the first.

    Args:
        first: ``(height, width, channels)`` in [0, 1].
        second: of the same shape.

    Returns:
        ``(height, width, 3)`` float32 in [0, 1]: white where the two are alike, in full colour
        where black stands against white.
    """
    change = (second - first).mean(axis=2, dtype=float)[..., None]
    colour = np.where(change < 0, _BLUE, _VERMILION)
    return np.asarray(1 + np.abs(change) * (colour - 1), np.float32)


def _decode(content: bytes) -> Image.Image:
    if len(content) > MAX_BYTES:
        raise InputError(
            f"picture: {len(content) / 1e6:.1f} MB given; allowed is at most "
            f"{MAX_BYTES / 1e6:.1f} MB, so make it smaller"
        )
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(_too_many("over 89 million")) from None
    except Exception:  # a damaged file makes Pillow's readers raise whatever they like
        raise InputError(
            "picture: not a picture that can be read; allowed are PNG, JPEG, WebP, GIF and BMP"
        ) from None
    if (pixels := picture.width * picture.height) > MAX_PIXELS:
        raise InputError(_too_many(f"{pixels / 1e6:.0f} million"))
    try:
        return ImageOps.exif_transpose(_modest(picture))
    except Exception:  # likewise
        raise InputError(
            "picture: damaged, its pixels cannot be read; save or download it again"
        ) from None


def _modest(picture: Image.Image) -> Image.Image:
    """Load a picture and make it smaller where it is large, before anything copies its pixels."""
    if picture.mode in ("1", "P"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    elif picture.mode.startswith("I;"):
        picture = picture.convert("I")
    picture.thumbnail((_LONGEST, _LONGEST))
    picture.load()
    return picture


def _too_many(pixels: str) -> str:
    allowed = f"{MAX_PIXELS / 1e6:.0f} million"
    return f"picture: {pixels} pixels given; allowed are at most {allowed}, so make it smaller"


def _border(picture: Image.Image) -> tuple[int, ...]:
    """The median colour of a picture's outermost pixels."""
    pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(edge, axis=0))
