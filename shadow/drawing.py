"""Draws the page's own charts into a PDF: the few shapes of SVG that they use, in the same colours, nothing else.

A shape or class that is not known here raises: a chart may not lose something on paper.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, fromstring

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from shadow.typeface import runs, width_of

# The light side of static/css/tokens.css; a test holds them against it.
COLOURS = {
    "text": "#171c24", "quiet": "#545f6e", "rule": "#dce1e7", "edge": "#848e9c", "surface": "#ffffff",
    "model": "#6a3cc0", "accent": "#1a5fc7", "ok": "#1a5fc7", "scratched": "#a84300", "critical": "#b3221a",
    "sunken": "#e9edf1",
}  # fmt: skip


class Pen(NamedTuple):
    """How a class is drawn, as report.css has it: colours by their token, widths in units of the view box."""

    fill: str = ""
    stroke: str = ""
    width: float = 1.0
    dash: tuple[float, ...] = ()
    opacity: float = 1.0


PENS: Mapping[str, Pen] = {
    "chart-text": Pen(fill="quiet"),
    "chart-rule": Pen(stroke="rule"),
    "chart-band": Pen(fill="model", opacity=0.16),
    "chart-line": Pen(stroke="model", width=2),
    "chart-line series-1": Pen(stroke="model", width=2),
    "chart-line series-2": Pen(stroke="accent", width=2, dash=(6, 4)),
    "chart-line series-3": Pen(stroke="quiet", width=2, dash=(2, 4)),
    "chart-mark": Pen(stroke="text", dash=(2, 3)),
    "chart-dot": Pen(fill="model"),
    "chart-event": Pen(stroke="edge", dash=(3, 3)),
    "chart-shape release": Pen(fill="model"),
    "chart-shape level": Pen(fill="text"),
    "chart-shape alarm": Pen(fill="critical"),
    "chart-shape several": Pen(fill="quiet"),
    "plot-diagonal": Pen(stroke="edge", dash=(4, 4)),
    "plot-post": Pen(stroke="model", width=2, opacity=0.45),
    "plot-ring": Pen(fill="surface", stroke="text", width=2),
    "plot-ok": Pen(fill="ok"),
    "plot-scratched": Pen(fill="scratched"),
    "interval-ground": Pen(stroke="rule"),
    "interval-band": Pen(fill="model", opacity=0.35),
    "interval-tick": Pen(fill="text"),
}
TEXT = 14.0  # report.css: the size of .chart-text
TOKEN = re.compile(r"([MLHVZ])|(-?\d*\.?\d+)")
TURN = re.compile(r"(translate|rotate)\(([^)]*)\)")


class Chart(Flowable):
    """A chart of the page as a flowable of some width, in points; the height follows from its view box."""

    def __init__(self, svg: str, width: float):
        super().__init__()
        self.root = fromstring(svg)  # noqa: S314 - made by shadow.charts, never by a reader
        left, top, wide, high = map(float, self.root.attrib["viewBox"].split())
        self.scale, self.origin, self.size = width / wide, (left, top), (wide, high)
        self.width, self.height = width, high * width / wide

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas: Canvas = self.canv
        canvas.saveState()
        # The view box grows downwards, a page upwards.
        canvas.transform(
            self.scale, 0, 0, -self.scale, -self.origin[0] * self.scale, self.height + self.origin[1] * self.scale
        )
        for element in self.root:
            _draw(canvas, element)
        canvas.restoreState()


def _draw(canvas: Canvas, element: Element) -> None:
    pen = PENS[element.attrib["class"]]
    canvas.saveState()
    _turn(canvas, element.attrib.get("transform", ""))
    for colour, paint, alpha in (
        (pen.fill, canvas.setFillColor, canvas.setFillAlpha),
        (pen.stroke, canvas.setStrokeColor, canvas.setStrokeAlpha),
    ):
        if colour:
            paint(HexColor(COLOURS[colour]))
            alpha(pen.opacity)
    canvas.setLineWidth(pen.width)
    canvas.setDash(list(pen.dash))
    SHAPES[element.tag](canvas, element.attrib, element, pen)
    canvas.restoreState()


def _turn(canvas: Canvas, transform: str) -> None:
    for name, numbers in TURN.findall(transform):
        values = [float(number) for number in re.split(r"[ ,]+", numbers.strip())]
        if name == "translate":
            canvas.translate(*values)
        else:
            angle, x, y = values
            canvas.translate(x, y)
            canvas.rotate(angle)
            canvas.translate(-x, -y)


Attributes = Mapping[str, str]


def _path(canvas: Canvas, attributes: Attributes, element: Element, pen: Pen) -> None:
    path = canvas.beginPath()
    for command, x, y in _steps(attributes["d"]):
        if command == "M":
            path.moveTo(x, y)
        elif command == "Z":
            path.close()
        else:
            path.lineTo(x, y)
    canvas.drawPath(path, fill=bool(pen.fill), stroke=bool(pen.stroke))


def _steps(data: str) -> Iterator[tuple[str, float, float]]:
    """Absolute moves and lines; H and V keep the other coordinate."""
    x = y = 0.0
    command, numbers = "", list[float]()
    for letter, number in TOKEN.findall(data):
        if letter:
            command, numbers = letter, []
            if letter == "Z":
                yield "Z", x, y
            continue
        numbers.append(float(number))
        if command in "HV":
            x, y = (numbers[0], y) if command == "H" else (x, numbers[0])
        elif len(numbers) == 2:
            x, y = numbers
        else:
            continue
        yield command, x, y
        command, numbers = "L" if command == "M" else command, []


def _polygon(canvas: Canvas, attributes: Attributes, element: Element, pen: Pen) -> None:
    _path(canvas, {"d": f"M{attributes['points'].replace(' ', ' L')}Z"}, element, pen)


def _circle(canvas: Canvas, attributes: Attributes, element: Element, pen: Pen) -> None:
    x, y, radius = (float(attributes[name]) for name in ("cx", "cy", "r"))
    canvas.circle(x, y, radius, fill=bool(pen.fill), stroke=bool(pen.stroke))


def _rect(canvas: Canvas, attributes: Attributes, element: Element, pen: Pen) -> None:
    x, y, width, height = (float(attributes[name]) for name in ("x", "y", "width", "height"))
    canvas.rect(x, y, width, height, fill=bool(pen.fill), stroke=bool(pen.stroke))


def _text(canvas: Canvas, attributes: Attributes, element: Element, pen: Pen) -> None:
    words = element.text or ""
    back = {"start": 0.0, "middle": 0.5, "end": 1.0}[attributes.get("text-anchor", "start")]
    canvas.translate(float(attributes["x"]), float(attributes["y"]))
    canvas.scale(1, -1)
    line: Any = canvas.beginText(-back * width_of(words, TEXT), 0)
    for face, part in runs(words):
        line.setFont(face, TEXT)
        line.textOut(part)
    canvas.drawText(line)


SHAPES = {"path": _path, "polygon": _polygon, "circle": _circle, "rect": _rect, "text": _text}
