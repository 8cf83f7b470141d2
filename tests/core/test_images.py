"""Pictures that somebody made to do harm: refused in words, or drawn anew without what they carried."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from matchmaker.core import images
from matchmaker.core.errors import InvalidInput, Unavailable
from matchmaker.core.images import KEPT_SIDE, MOST_PIXELS, Picture, redraw
from tests.factories import photo

ORIENTATION, MODEL, GPS = 0x0112, 0x0110, 0x8825
SCRIPT = b"<script>alert(document.cookie)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
MVG = b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(http://127.0.0.1/)'"


def drawn(content: bytes, **options: Any) -> Picture:
    return redraw(content, field="body", **options)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        drawn(content, **options)
    assert caught.value.fields["body"] == [caught.value.detail]
    return caught.value.code


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int, *, rows: int = 1) -> bytes:
    """A PNG of some hundred bytes that says to be enormous."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_is_a_jpeg_of_the_same_look(kind: str) -> None:
    picture = drawn(photo(800, 600, kind))
    image = opened(picture.content)
    assert (image.format, image.size) == ("JPEG", (800, 600)) == ("JPEG", (picture.width, picture.height))
    red, green, _blue = image.getpixel((400, 20))  # type: ignore[misc]
    assert red > 200 and green < 60
    assert drawn(photo(800, 600, kind)).digest == picture.digest


def test_nothing_is_left_of_what_the_camera_wrote() -> None:
    exif = Image.Exif()
    exif[MODEL] = "Camera of Li Xiaomei"
    exif.get_ifd(GPS)[2] = (TiffImagePlugin.IFDRational(23, 1),) * 3
    content = photo(exif=exif, comment=b"13800138000", icc_profile=b"profile of hers", dpi=(300, 300))
    assert b"Xiaomei" in content and b"13800138000" in content and b"profile of hers" in content
    picture = drawn(content)
    for mark in (b"Xiaomei", b"13800138000", b"profile of hers", b"Exif", b"http"):
        assert mark not in picture.content
    assert not opened(picture.content).getexif()


def test_nothing_is_left_of_texts_in_a_png() -> None:
    texts = PngInfo()
    texts.add_text("Author", "Li Xiaomei")
    texts.add_text("XML:com.adobe.xmp", "<x>13800138000</x>", zip=True)
    assert b"Xiaomei" in (content := photo(kind="PNG", pnginfo=texts))
    assert b"Xiaomei" not in drawn(content).content


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_that_is_a_page_too_is_only_a_picture_afterwards(kind: str) -> None:
    content = photo(kind=kind, **({"comment": SCRIPT} if kind == "JPEG" else {})) + SCRIPT + b"PK\x03\x04"
    assert b"script" not in drawn(content).content and b"PK\x03\x04" not in drawn(content).content


def test_a_photo_is_kept_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # turn by a quarter to the right
    image = opened(drawn(photo(800, 600, exif=exif)).content)
    assert image.size == (600, 800)
    red, green, _blue = image.getpixel((580, 400))  # type: ignore[misc]
    assert red > 200 and green < 60


@pytest.mark.parametrize(("width", "height"), [(6000, 4000), (400, 9000)])
def test_what_is_larger_than_anybody_needs_is_made_smaller(width: int, height: int) -> None:
    picture = drawn(photo(width, height))
    assert max(picture.width, picture.height) == KEPT_SIDE
    assert abs(picture.width / picture.height - width / height) < 0.01


def test_what_cannot_be_seen_is_white() -> None:
    clear = Image.new("RGBA", (500, 500), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 500, 250))
    file = io.BytesIO()
    clear.save(file, "PNG")
    image = opened(drawn(file.getvalue()).content)
    assert image.getpixel((250, 490)) == (255, 255, 255)
    assert image.getpixel((250, 20))[2] > 200  # type: ignore[index]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_pictures_of_other_colours_keep_their_look(mode: str) -> None:
    dark = {"I;16": 0x2000, "CMYK": (0, 0, 0, 223), "1": 0, "LA": (32, 255)}.get(mode, 32)
    file = io.BytesIO()
    Image.new(mode, (500, 500), dark).save(file, "JPEG" if mode == "CMYK" else "PNG")
    image = opened(drawn(file.getvalue()).content)
    assert image.mode == "RGB"
    assert all(value < 60 for value in image.getpixel((250, 250)))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "content",
    [b"", b"x", SCRIPT, b"%PDF-1.7", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0" * 5_000_000, SVG, MVG],
)  # fmt: skip
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert refusal(content) == "no_picture"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "BMP", "ICO", "PPM", "TGA", "PDF", "EPS"])
def test_of_the_formats_that_a_library_reads_two_are_taken(kind: str) -> None:
    assert refusal(photo(kind=kind)) == "no_picture"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_that_breaks_off_is_refused(kind: str) -> None:
    content = photo(kind=kind)
    assert refusal(content[: len(content) // 2]) == "broken_picture"


def test_a_damaged_file_is_refused_or_drawn_and_nothing_else() -> None:
    """Every byte of a small picture is spoiled, one after the other."""
    for kind in ("JPEG", "PNG"):
        content = photo(8, 8, kind)
        for at in range(len(content)):
            spoiled = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
            try:
                drawn(spoiled)
            except InvalidInput as error:
                assert error.code in {"no_picture", "broken_picture", "picture_too_large"}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [7_072, 9_500, 20_000, 60_000, 2**31 - 1])
def test_a_small_file_that_claims_to_be_enormous_is_refused_before_it_is_decoded(side: int) -> None:
    assert side * side > MOST_PIXELS
    content = png_that_claims(side, side)
    assert len(content) < 200 and refusal(content) == "picture_too_large"


def test_what_unpacks_to_more_than_it_claims_is_cut_off() -> None:
    assert refusal(png_that_claims(2**31 - 1, 0)) in {"no_picture", "broken_picture"}
    assert drawn(png_that_claims(100, 100, rows=200_000_000 // 100)).width == 100


def test_texts_that_unpack_to_gigabytes_are_refused() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 300_000_000, 9))
    plain = photo(500, 500, "PNG")
    head = 8 + 25
    assert refusal(plain[:head] + bomb + plain[head:]) in {"no_picture", "broken_picture"}


def test_a_small_file_that_is_drawn_ten_thousand_times_over_is_refused() -> None:
    content = photo(2000, 2000, progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    assert drawn(content).width == 2000
    assert refusal(content[:-2] + scan * 10_000 + content[-2:]) == "broken_picture"


def test_nobody_waits_long_while_others_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "WAIT_SECONDS", 0.01)
    with images._drawing, pytest.raises(Unavailable) as caught:
        drawn(photo())
    assert caught.value.headers["Retry-After"]
    assert drawn(photo()).width == 800


def test_after_a_refusal_the_next_is_drawn() -> None:
    refusal(b"")
    assert drawn(photo()).width == 800


@pytest.mark.parametrize("mode", ["1", "P", "I;16"])
def test_large_pictures_of_few_colours_are_made_smaller_too(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (5000, 2500), 0).save(file, "PNG")
    picture = drawn(file.getvalue())
    assert (picture.width, picture.height) == (KEPT_SIDE, KEPT_SIDE // 2)


def test_a_picture_too_small_to_be_read_is_refused() -> None:
    assert refusal(photo(399, 300), least_side=400) == "picture_too_small"
    assert drawn(photo(400, 10), least_side=400).width == 400
