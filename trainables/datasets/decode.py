"""From the bytes of an image file to pixels."""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

DEEP = ("I", "F")
"""Modes of 16 and 32 bits a channel, which a conversion to 8 bits would cut off."""


FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever its name."""


def check(content: bytes) -> None:
    """Raise ValueError, in few words, unless the whole image can be decoded."""
    image = _opened(content)
    # JPEG decodes at a fraction of its size, yet reads to its end.
    image.draft("RGB", (64, 64))
    _loaded(image)


def pixels(content: bytes, size: int, gray: bool) -> npt.NDArray[np.uint8]:
    """The largest centred square at size x size pixels (bilinear, antialiased): uint8 [1 or 3, size, size].

    Turned as its EXIF orientation says; the first picture of several; transparency is dropped.
    """
    from PIL import Image, ImageOps

    image = _loaded(_opened(content))
    if image.mode == "P":  # a palette may hold transparency, which only this mode takes
        image = image.convert("RGBA")
    image = image.convert("L" if gray else "RGB")
    square = ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)
    array = np.asarray(square)
    return array[None] if gray else np.ascontiguousarray(array.transpose(2, 0, 1))


def _opened(content: bytes) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError("its content is no image that can be recognised") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def _loaded(image: Any) -> Any:
    from PIL import ImageOps

    if image.mode.startswith(DEEP):
        raise ValueError(f"it has more than 8 bits a channel (mode {image.mode}); convert it to 8")
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, LookupError, struct.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error
