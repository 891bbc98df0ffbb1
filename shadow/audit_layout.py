"""The paper of the audit report: A4, its styles, tables and the frame of every page."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import HRFlowable, Paragraph, Table

from shadow.drawing import COLOURS
from shadow.typeface import BOLD, LATIN, is_chinese, markup, runs, width_of

WIDTH, HEIGHT = A4
MARGIN, TOP, BOTTOM, INSET = 18 * mm, 23 * mm, 20 * mm, 6.0  # the last: what reportlab leaves free within a frame
COLUMN = WIDTH - 2 * MARGIN
TEXT, QUIET, RULE, SUNKEN, SURFACE = (
    HexColor(COLOURS[name]) for name in ("text", "quiet", "rule", "sunken", "surface")
)
SIZES = {"title": 18.0, "sentence": 12.5, "heading": 12.0, "body": 9.0, "small": 7.5}


def said(
    text: Any, style: str = "body", *, bold: bool = False, quiet: bool = False, right: bool = False, alone: bool = False
) -> Paragraph:
    """A text as a paragraph; nothing in it is read as markup. A heading `alone` does not hold its table together."""
    size, bold = SIZES[style], bold or style in ("title", "heading")
    form = ParagraphStyle(
        style, fontName=BOLD if bold else LATIN, fontSize=size, leading=size * 1.35, textColor=QUIET if quiet else TEXT,
        wordWrap="CJK" if is_chinese(str(text)) else None, alignment=2 if right else 0,
        spaceBefore=12 if style == "heading" else 0, spaceAfter=4 if style in ("heading", "title", "sentence") else 0,
        keepWithNext=style == "heading" and not alone,
    )  # fmt: skip
    return Paragraph(markup(str(text), bold=bold), form)


def table(
    rows: Sequence[Sequence[Any]], widths: Sequence[float], *, head: bool = True, more: Sequence[tuple] = ()
) -> Table:
    """Rows of paragraphs, parted by thin lines; the head is repeated on every page. Widths are shares of the column."""
    whole = sum(widths)
    found = Table(rows, [COLUMN * width / whole for width in widths], repeatRows=1 if head else 0, hAlign="LEFT")
    found.setStyle([
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ("LEFTPADDING", (0, 0), (0, -1), 0), ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        *([("LINEBELOW", (0, 0), (-1, 0), 0.8, QUIET)] if head else []), *more,
    ])  # fmt: skip
    return found


def plain() -> list[tuple]:
    """A table without lines, its cells at the top: for things beside each other."""
    return [("LINEBELOW", (0, 0), (-1, -1), 0, SURFACE), ("VALIGN", (0, 0), (-1, -1), "TOP")]


def shaded() -> list[tuple]:
    """A note on a ground of its own."""
    sides = [(f"{side}PADDING", (0, 0), (-1, -1), 8) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
    return [("BACKGROUND", (0, 0), (-1, -1), SUNKEN), ("LINEBELOW", (0, 0), (-1, -1), 0, SUNKEN), *sides]


def boxed() -> list[tuple]:
    """The 2x2 table: four cells with the edge of their meaning, as the page has them."""
    edges = {(1, 1): "ok", (2, 1): "critical", (1, 2): "critical", (2, 2): "scratched"}
    lines = [("LINEBEFORE", cell, cell, 2.5, HexColor(COLOURS[colour])) for cell, colour in edges.items()]
    return [
        *lines,
        ("LEFTPADDING", (1, 1), (-1, -1), 10),
        ("VALIGN", (1, 1), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, RULE),
    ]


def ruled(width: float) -> HRFlowable:
    """A line to sign on."""
    return HRFlowable(width=width, thickness=0.8, color=QUIET, hAlign="LEFT", spaceAfter=3)


def heads(*words: str, right: Sequence[int] = ()) -> list[Paragraph]:
    """The head of a table; `right` are the columns of numbers."""
    return [said(word, "small", bold=True, quiet=True, right=place in right) for place, word in enumerate(words)]


class Numbered(Canvas):
    """A canvas that writes the frame of its pages at the end, when it knows how many they are."""

    def __init__(self, *args: Any, title: str, maker: str, digest: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.words = (title, maker, digest)
        self.pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self.pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self.pages, 1):
            self.__dict__.update(page)
            self._frame(number, len(self.pages))
            super().showPage()
        super().save()

    def _frame(self, number: int, pages: int) -> None:
        title, maker, digest = self.words
        self.setStrokeColor(RULE)
        self.line(MARGIN, HEIGHT - 17 * mm, WIDTH - MARGIN, HEIGHT - 17 * mm)
        self.line(MARGIN, 14 * mm, WIDTH - MARGIN, 14 * mm)
        of = _("Page {number} of {pages}").format(number=number, pages=pages)
        self._write(title, MARGIN, HEIGHT - 15 * mm)
        self._write("Shadowline", WIDTH - MARGIN, HEIGHT - 15 * mm, right=True)
        self._write(maker, MARGIN, 10 * mm)
        self._write(f"SHA-256 {digest[:16]}…", MARGIN + COLUMN * 0.62, 10 * mm)
        self._write(of, WIDTH - MARGIN, 10 * mm, right=True)

    def _write(self, words: str, x: float, y: float, *, right: bool = False) -> None:
        size = SIZES["small"]
        line = self.beginText(x - (width_of(words, size) if right else 0), y)
        line.setFillColor(QUIET)
        for face, part in runs(words):
            line.setFont(face, size)
            line.textOut(part)
        self.drawText(line)
