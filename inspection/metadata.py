"""Drops what a file says about a picture (EXIF, GPS, XMP, comments, thumbnails) and leaves its pixels bit for bit."""

import re
from collections.abc import Callable

# JPEG: application segments and comments carry words; these three change how the picture decodes and stay.
JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
JPEG_WORDS = {*range(0xE0, 0xF0), 0xFE}
JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment behind them
# Inside a scan, FF 00 is a data byte and FF D0 to D7 are restart marks; any other FF ends the scan.
JPEG_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

PNG_KEPT = {b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"cICP"}
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"}
WEBP_EXIF_AND_XMP = 0x08 | 0x04  # the flags of VP8X that announce them


def without_metadata(data: bytes, format: str) -> bytes:
    """The file without words about the picture and without anything behind its end; `data` itself when it has none.

    Parameters
    ----------
    data : a file that has decoded before; a broken one gives a broken one, never an error.
    format : "JPEG", "PNG" or "WEBP".

    Sources: ITU-T T.81 annex B (JPEG), the PNG specification (chunks), RFC 9649 (WebP).
    """
    kept = STRIPPERS[format](data)
    return data if kept == data else kept


def _strip_jpeg(data: bytes) -> bytes:
    """Copy segment after segment, the scans of a progressive file included, up to the end mark."""
    kept = bytearray(data[:2])
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        marker = data[at + 1]
        if marker in (0x00, 0xFF):  # filling
            at += 1
        elif marker == 0xD9:
            return bytes(kept + data[at : at + 2])
        elif marker in JPEG_ALONE:
            kept += data[at : at + 2]
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker not in JPEG_WORDS or data.startswith(JPEG_KEPT.get(marker, b"-"), at + 4):
                kept += data[at:end]
            at = end
            if marker == 0xDA:
                scan = JPEG_END_OF_SCAN.search(data, at)
                end = scan.start() if scan else len(data)
                kept += data[at:end]
                at = end
    return bytes(kept)


def _strip_png(data: bytes) -> bytes:
    kept = bytearray(data[:8])
    at = 8
    while at + 8 <= len(data):
        name = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if name[:1].isupper() or name in PNG_KEPT:  # upper case: a decoder cannot do without it
            kept += data[at:end]
        at = end
        if name == b"IEND":
            break
    return bytes(kept)


def _strip_webp(data: bytes) -> bytes:
    chunks = bytearray()
    at, end_of_file = 12, 8 + int.from_bytes(data[4:8], "little")
    while at + 8 <= min(len(data), end_of_file):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if name == b"VP8X":
            flags = bytes(byte & ~WEBP_EXIF_AND_XMP for byte in data[at + 8 : at + 9])
            chunks += data[at : at + 8] + flags + data[at + 9 : end]
        elif name in WEBP_KEPT:
            chunks += data[at:end]
        at = end
    return data[:4] + (4 + len(chunks)).to_bytes(4, "little") + data[8:12] + bytes(chunks)


STRIPPERS: dict[str, Callable[[bytes], bytes]] = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}
