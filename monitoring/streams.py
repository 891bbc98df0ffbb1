"""Streams by what they are of: found, or made the first time that a figure is known."""

from collections.abc import Iterable
from typing import NamedTuple

from inspection.models import Line, Station
from monitoring.figures import BY_NAME
from monitoring.models import Stream
from shadow.models import ModelVersion


class Place(NamedTuple):
    """What a stream is of, by keys; None where it is not told apart."""

    figure: str
    line: int | None
    station: int | None
    version: int | None

    @property
    def key(self) -> str:
        return "/".join(str(part or "-") for part in (self.line, self.station, self.version, self.figure))


def place_of(figure: str, line: int | None, station: int | None, version: int | None) -> Place:
    """Where a value belongs: not every figure is told apart by station and by version."""
    known = BY_NAME[figure]
    return Place(figure, line, station if known.by_station else None, version if known.of_version else None)


def streams_of(places: Iterable[Place]) -> dict[Place, Stream]:
    """The streams of these places in one query, and one more where some are new."""
    wanted = {place.key: place for place in places}
    found = _by_key(wanted)
    new = [place for key, place in wanted.items() if key not in found]
    if new:
        Stream.objects.bulk_create(
            (
                Stream(
                    key=place.key, line_id=place.line, station_id=place.station, version_id=place.version, figure=place.figure
                )
                for place in new
            ),
            ignore_conflicts=True,  # of two that make it at once one finds the other's
        )  # fmt: skip
        found |= _by_key([place.key for place in new])
    return {place: found[key] for key, place in wanted.items()}


def _by_key(keys: Iterable[str]) -> dict[str, Stream]:
    return {stream.key: stream for stream in Stream.objects.filter(key__in=list(keys))}


def stream_of(figure: str, line: Line | None, station: Station | None, version: ModelVersion | None) -> Stream:
    """The one stream of a figure at a line, station and version."""
    place = place_of(
        figure, line.pk if line else None, station.pk if station else None, version.pk if version else None
    )
    return streams_of([place])[place]
