"""The letters of a PDF: an embedded face for Latin, Greek and Cyrillic, and the reader's own for Chinese and Korean.

Roboto comes with a package and is embedded, in subsets, so that a file looks alike everywhere. A Chinese face is many
megabytes; PDF knows some by name, which every viewer replaces by a face of its own, and names of people and all words
of the Chinese pages are set in these.
"""

import unicodedata
from functools import cache
from html import escape
from itertools import groupby

import font_roboto
from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

LATIN, BOLD = "Roboto", "Roboto-Bold"
CHINESE, KOREAN = "STSong-Light", "HYSMyeongJo-Medium"
SPACES = {"\u00a0": " ", "\u202f": " ", "\u2009": " "}  # some faces lack them


@cache
def _latin() -> frozenset[int]:
    """Register the faces once; the characters that Roboto has."""
    regular = TTFont(LATIN, font_roboto.Roboto)
    pdfmetrics.registerFont(regular)
    pdfmetrics.registerFont(TTFont(BOLD, font_roboto.RobotoBold))
    for name in (CHINESE, KOREAN):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    for bold, face in ((0, LATIN), (1, BOLD)):
        addMapping(LATIN, bold, 0, face)
        addMapping(LATIN, bold, 1, face)
    return frozenset(regular.face.charToGlyph)


def face_of(sign: str, *, bold: bool = False) -> str:
    """The face that one character is set in."""
    if ord(sign) in _latin():
        return BOLD if bold else LATIN
    return KOREAN if unicodedata.name(sign, "").startswith("HANGUL") else CHINESE


def runs(text: str, *, bold: bool = False) -> list[tuple[str, str]]:
    """A text as stretches of one face: [(face, text), ..]. Control characters are left out."""
    plain = "".join(
        SPACES.get(sign, sign) for sign in text if sign in SPACES or not unicodedata.category(sign).startswith("C")
    )
    faces = groupby(plain, key=lambda sign: face_of(sign, bold=bold))
    return [(face, "".join(signs)) for face, signs in faces]


def markup(text: str, *, bold: bool = False) -> str:
    """A text for a paragraph, whose face is the Latin one: nothing in it is read as markup."""
    own = BOLD if bold else LATIN
    return "".join(
        escape(part) if face == own else f'<font name="{face}">{escape(part)}</font>'
        for face, part in runs(text, bold=bold)
    )


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Points that a text takes in one line."""
    return sum(pdfmetrics.stringWidth(part, face, size) for face, part in runs(text, bold=bold))


def is_chinese(text: str) -> bool:
    """Whether lines may break between any two characters: where much of the text has no spaces to break at."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return wide > len(text) / 4
