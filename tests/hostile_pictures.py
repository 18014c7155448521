"""Hostile picture files, each a function of a seeded generator."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

Rng = np.random.Generator
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "P", "RGB"),
}


def make_picture(random: Rng) -> tuple[str, bytes]:
    """Draw what is done, and the file."""
    made = ATTACKS[random.integers(len(ATTACKS))]
    return made.__name__, made(random)


def picture(random: Rng) -> tuple[str, bytes]:
    """A sound picture of any format, mode and size, and its format."""
    kind = KINDS[random.integers(len(KINDS))]
    mode = MODES[kind][random.integers(len(MODES[kind]))]
    height, width = (int(side) for side in random.integers(1, 300, 2))
    return kind, encoded(noise(random, height, width, mode), kind)


def noise(random: Rng, height: int, width: int, mode: str) -> Image.Image:
    """Random pixels of a mode."""
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 2**16, (height, width), np.uint16))
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The file of a picture."""
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file with its right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG file of a header, chunks and an end."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def sound(random: Rng) -> bytes:
    return picture(random)[1]


def truncated(random: Rng) -> bytes:
    content = picture(random)[1]
    return content[: random.integers(len(content))]


def flipped(random: Rng) -> bytes:
    content = bytearray(picture(random)[1])
    for at in random.integers(0, len(content), random.integers(1, 20)):
        content[at] ^= 1 << int(random.integers(8))
    return bytes(content)


def polyglot(random: Rng) -> bytes:
    tail = (b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(100), b"%PDF-1.4", b"GIF89a", b"BM")
    first, second = picture(random)[1], tail[random.integers(len(tail))]
    return first + second if random.integers(2) else second + first


def none_at_all(random: Rng) -> bytes:
    texts = (b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBP", b"\xff\xd8\xff")
    return texts[random.integers(len(texts))] + random.bytes(int(random.integers(50)))


def another_format(random: Rng) -> bytes:
    kinds = ("TIFF", "ICO", "PPM", "TGA", "PCX", "ICNS", "SGI", "EPS")
    kind = kinds[random.integers(len(kinds))]
    side = 16 if kind == "ICNS" else int(random.integers(1, 40))
    return encoded(noise(random, side, side, "RGB"), kind)


def bomb(random: Rng) -> bytes:
    """Pixels by the million in a few kilobytes, all there."""
    side = int(random.choice([3_900, 3_999, 4_001, 6_000, 9_000]))
    colour, size = ((0, 1), (2, 3), (6, 4))[random.integers(3)]
    packed = zlib.compressobj(9)
    row = bytes(1 + side * size)
    data = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    return png_file(side, side, png_chunk(b"IDAT", data), colour=colour)


def sixteen_bit_bomb(random: Rng) -> bytes:
    side = int(random.choice([3_900, 3_999]))
    colour, size = ((0, 2), (2, 6), (4, 4), (6, 8))[random.integers(4)]
    packed = zlib.compressobj(9)
    row = bytes(1 + side * size)
    data = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    return png_file(side, side, png_chunk(b"IDAT", data), depth=16, colour=colour)


def claim(random: Rng) -> bytes:
    """A header that claims a picture of any size, and no pixels to speak of."""
    sides = (0, 1, 2, 3_999, 16_000_000, 100_000, 2**31 - 1, 2**32 - 1)
    width, height = (sides[at] for at in random.integers(0, len(sides), 2))
    return png_file(width, height, png_chunk(b"IDAT", zlib.compress(bytes(1000))))


def narrow(random: Rng) -> bytes:
    long = int(random.choice([10_000, 1_000_000, 15_999_999]))
    width, height = (long, 1) if random.integers(2) else (1, long)
    data = zlib.compress(bytes(height * (1 + width)), 9)
    return png_file(width, height, png_chunk(b"IDAT", data))


def text_bomb(random: Rng) -> bytes:
    """A comment or a colour profile that unpacks to a hundred megabytes."""
    packed = zlib.compress(bytes(100_000_000), 9)
    kind = (b"zTXt", b"iCCP")[random.integers(2)]
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(2)))
    return png_file(1, 1, png_chunk(kind, b"x\0\0" + packed), pixels)


def many_frames(random: Rng) -> bytes:
    frames = [noise(random, 20, 20, "L") for _ in range(int(random.integers(2, 60)))]
    kind = ("GIF", "WEBP", "PNG")[random.integers(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def wide_screen(random: Rng) -> bytes:
    """A GIF whose screen is far larger than its frame."""
    content = bytearray(encoded(noise(random, 9, 9, "L"), "GIF"))
    content[6:10] = struct.pack("<HH", *random.choice([1, 3_999, 4_001, 65_535], 2))
    return bytes(content)


def turned(random: Rng) -> bytes:
    """EXIF that turns the picture, or that is damaged."""
    exif = Image.Exif()
    exif[0x0112] = int(random.choice([0, 1, 3, 6, 8, 9, 65_535]))
    data = bytearray(exif.tobytes())
    if random.integers(2):
        for at in random.integers(6, len(data), 4):
            data[at] = int(random.integers(256))
    kind = ("JPEG", "PNG", "WEBP")[random.integers(3)]
    return encoded(noise(random, 30, 50, "RGB"), kind, exif=bytes(data))


def odd_bitmap(random: Rng) -> bytes:
    """A BMP whose header says any height, depth or compression."""
    content = bytearray(encoded(noise(random, 8, 8, "RGB"), "BMP"))
    heights = (-8, 0, 2**31 - 1, -(2**31), 100_000)
    content[22:26] = struct.pack("<i", heights[random.integers(len(heights))])
    content[28:30] = struct.pack("<H", int(random.choice([1, 2, 8, 16, 24, 32, 64])))
    content[30:34] = struct.pack("<I", int(random.choice([0, 1, 2, 3, 99])))
    return bytes(content)


def too_large(random: Rng) -> bytes:
    return encoded(noise(random, 8, 8, "L"), "PNG") + bytes(5 * 2**20)


ATTACKS: tuple[Callable[[Rng], bytes], ...] = (
    sound,
    truncated,
    flipped,
    flipped,
    polyglot,
    none_at_all,
    another_format,
    bomb,
    sixteen_bit_bomb,
    claim,
    narrow,
    text_bomb,
    many_frames,
    wide_screen,
    turned,
    odd_bitmap,
    too_large,
)
