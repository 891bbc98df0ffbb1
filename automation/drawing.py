"""What a part is routed by beside its score: its draws, and its station and variant."""

from automation import draws, policies
from automation.routing import Stratum
from inspection.models import Draw, Inspection


def draw_of(part: Inspection) -> Draw:
    """The part's numbers under the key in use now, unsaved."""
    return Draw(
        inspection=part, key=draws.key_id(policies.draw_secret()),
        **{f"u_{purpose}": policies.draw(purpose, part.pk) for purpose in ("canary", "audit", "blind")},
    )  # fmt: skip


def stratum_of(part: Inspection) -> Stratum:
    return (part.station.slug if part.station else "", part.variant.slug if part.variant else "")
