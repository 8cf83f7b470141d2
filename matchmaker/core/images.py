"""Pictures that strangers send, drawn anew and shown: only what can be seen of them stays (layer: core)."""

import hashlib
import io
import re
import threading
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from matchmaker.core.errors import InvalidInput, Unavailable

FORMATS = ("JPEG", "PNG")
MOST_BYTES = 5 * 1024 * 1024
# A phone's largest photo; a file of a few KB can claim a thousand times as many.
MOST_PIXELS = 50_000_000
# The header of a scan: a progressive JPEG is drawn in ten or so. Each goes over the whole picture, and 75
# bytes are enough for one: 5 MB of them would keep a core busy for twenty minutes.
_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
MOST_SCANS = 64
# Small print of a whole page can be read at this size.
KEPT_SIDE, QUALITY = 2000, 80

# One at a time in a process, so that many at once do not hold the memory of many, nor all threads for long.
_drawing = threading.Lock()
WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Picture:
    """A JPEG without camera, place, time, comment or anything appended."""

    content: bytes
    width: int
    height: int

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()


def redraw(content: bytes, *, field: str, least_side: int = 1) -> Picture:
    """Return the picture in a JPEG or PNG file, upright, on white, at most `KEPT_SIDE` pixels wide and high.

    The file's own bytes say what it is, not its name or Content-Type. Raises InvalidInput for `field`: no
    such file (`no_picture`), cut off, damaged or in more scans than any camera makes (`broken_picture`), more
    than `MOST_PIXELS` (`picture_too_large`), a longer side below `least_side` pixels (`picture_too_small`);
    Unavailable while others' pictures take too long.
    """
    if not _drawing.acquire(timeout=WAIT_SECONDS):
        raise Unavailable(headers={"Retry-After": "5"})
    try:
        return _redrawn(content, field, least_side)
    finally:
        _drawing.release()


def jpeg_response(content: bytes | memoryview, *, name: str) -> HttpResponse:
    """Return a picture of somebody's as an answer that nothing on the way keeps and no browser runs."""
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'inline; filename="{name}.jpg"'}
    return HttpResponse(bytes(content), content_type="image/jpeg", headers=headers)


def _redrawn(content: bytes, field: str, least_side: int) -> Picture:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:  # many times as many
        raise _too_large(field) from error
    except Exception as error:  # readers of pictures raise whatever a hostile file makes them raise
        raise _refused(field, "no_picture", _("Send a photo as JPEG or PNG.")) from error
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(field)
    if image.format != "PNG" and sum(1 for _scan in _SCAN.finditer(content)) > MOST_SCANS:
        raise _broken(field)
    if max(image.size) < least_side:
        message = _("The longer side has %(pixels)s pixels; at least %(least)s are needed to read it.")
        told = {"pixels": max(image.size), "least": least_side}
        raise _refused(field, "picture_too_small", message % told)
    try:
        canvas = _on_white(image)
    except Exception as error:
        raise _broken(field) from error
    drawn = io.BytesIO()
    canvas.save(drawn, "JPEG", quality=QUALITY, optimize=True)
    return Picture(drawn.getvalue(), canvas.width, canvas.height)


def _on_white(image: Image.Image) -> Image.Image:
    """Return the pixels alone, in three colours of eight bits, on a canvas that knows nothing of the file."""
    image.draft("RGB", (KEPT_SIDE, KEPT_SIDE))  # a JPEG that is larger is not even decoded whole
    if image.mode.startswith("I"):  # grey of sixteen bits, which others take for eight
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.has_transparency_data and image.mode != "RGBA":
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGB")
    image.thumbnail((KEPT_SIDE, KEPT_SIDE))
    image = ImageOps.exif_transpose(image)
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return canvas


def _broken(field: str) -> InvalidInput:
    return _refused(field, "broken_picture", _("The picture breaks off or is damaged; send it again."))


def _too_large(field: str) -> InvalidInput:
    message = _("The picture may have at most %(most)s million pixels.") % {"most": MOST_PIXELS // 1_000_000}
    return _refused(field, "picture_too_large", message)


def _refused(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, code=code, fields={field: [message]})
