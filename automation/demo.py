"""Sets up the demo factory: people, kinds of defect, two lines with stations, the starter model shadowing one."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.actions.changing import write_policy
from automation.levels import Level
from inspection import audit
from inspection.models import DefectKind, Line, Shift, User, Variant
from inspection.roles import Role, ensure_roles, give_role
from shadow import shipped
from shadow.actions import register_version
from shadow.models import ModelVersion
from shadow.vision.synthetic import VARIANTS

BY = "seed_demo"
CAST = {
    "ivy": ("Ivy", "Lin", Role.INSPECTOR),
    "sam": ("Sam", "Okoye", Role.SUPERVISOR),
    "ada": ("Ada", "Berg", Role.ADMIN),
    "sim-1": ("Simulated", "inspector 1", Role.INSPECTOR),
    "sim-2": ("Simulated", "inspector 2", Role.INSPECTOR),
    "sim-camera": ("Simulated", "camera", Role.STATION),
}
SIMULATED = ("sim-1", "sim-2", "sim-camera")  # nobody signs in as these: they have no password, only tokens
KINDS = [
    ("scratch", "Scratch", True, "s"),
    ("oil", "Oil", False, "o"),
    ("stain", "Stain", False, "w"),
    ("dust", "Dust", False, "d"),
]
LINES = {"line-a": ("Line A", ["front", "back"]), "line-b": ("Line B", ["front"])}
SHIFTS = [("Early", "06:00", "14:00"), ("Late", "14:00", "22:00"), ("Night", "22:00", "06:00")]


@transaction.atomic
def set_up_demo(*, password: str) -> dict[str, list[str]]:
    """Everything that is not there yet; what is there stays as it is. Returns what was made."""
    made: dict[str, list[str]] = {"users": [], "lines": [], "models": []}
    ensure_roles()
    for username, (first, last, role) in CAST.items():
        made["users"] += _person(username, first, last, role, password)
    for slug, name, rejects, key in KINDS:
        DefectKind.objects.get_or_create(
            slug=slug, defaults={"name": name, "rejects": rejects, "contamination": not rejects, "key": key}
        )
    for variant in VARIANTS:
        Variant.objects.get_or_create(slug=variant, defaults={"name": variant.replace("-", " ").capitalize()})
    version, new = _starter()
    made["models"] += [version.name] if new else []
    for slug in LINES:
        made["lines"] += _line(slug)
    _shadow(Line.objects.get(slug="line-a"), version)
    audit.record("demo_seeded", by=BY, subject="", line="", **made)
    return made


def _person(username: str, first: str, last: str, role: Role, password: str) -> list[str]:
    user, new = User.objects.get_or_create(username=username, defaults={"first_name": first, "last_name": last})
    if new:
        if username in SIMULATED:
            user.set_unusable_password()
        else:
            user.set_password(password)
        user.save()
        give_role(user, role)
    return [username] if new else []


def _line(slug: str) -> list[str]:
    name, stations = LINES[slug]
    defaults = {"name": name, "demo": True, "time_zone": settings.TIME_ZONE}
    line, new = Line.objects.get_or_create(slug=slug, defaults=defaults)
    for station in stations:
        line.stations.get_or_create(slug=station, defaults={"name": f"{station.capitalize()} camera"})
    for shift, starts, ends in SHIFTS:
        Shift.objects.get_or_create(line=line, name=shift, defaults={"starts_at": starts, "ends_at": ends})
    return [slug] if new else []


def _starter() -> tuple[ModelVersion, bool]:
    """The starter model: trained on renderings by this project's own code, shipped with it."""
    known = ModelVersion.objects.filter(name="starter").first()
    version = known or register_version(
        name="starter", weights=shipped.weights(), card=shipped.card(), pictures=shipped.pictures(), by=BY
    )
    return version, known is None


def _shadow(line: Line, version: ModelVersion) -> None:
    """Line A starts at shadow without its gate: a demo has no past parts to replay."""
    if policies.in_force(line).pk is None:
        first = policies.in_force(line)
        fields = {name: getattr(first, name) for name in policies.FIELDS}
        fields |= {"level": Level.SHADOW, "version_id": version.pk, "step": 0, "strata": None}
        write_policy(
            line=line, fields=fields, by=BY, reason="The demo's line A starts at shadow.", action="level_raise",
            now=timezone.now(),
        )  # fmt: skip
