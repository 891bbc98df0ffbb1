"""The certificate by which a line may do what it does: the gates as they were frozen, who agreed, and its file."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from automation import policies
from automation.certifying import applied_to
from automation.levels import Level
from automation.models import Approval, Change, Policy
from inspection.models import User
from inspection.prepared import TEXT, Given, Prepared

Json = dict[str, Any]


@dataclass(frozen=True)
class Signature:
    """Who agreed with a change, and what it means; `signed`: with the password, entered again for it."""

    meaning: str
    words: str
    name: str
    at: datetime
    reason: str
    signed: bool


@dataclass(frozen=True)
class Held:
    """A change with the certificate on which it was applied: judged again at its approval, else that of the proposal."""

    change: Change
    frozen: Json

    @property
    def gates(self) -> list[Json]:
        return list(self.frozen.get("gates", []))

    def figures(self, name: str) -> Json:
        """The figures of one gate as they were frozen; empty: it was not among them."""
        return next((gate["figures"] for gate in self.gates if gate["name"] == name), {})


def signatures(change: Change) -> list[Signature]:
    """Whoever proposed it, then those who approved it."""
    approvals = change.approvals.select_related("by").order_by("pk")
    return [
        _signature("proposed", _("Proposed"), change),
        *(_signature("approved", _("Approved"), row) for row in approvals),
    ]


def _signature(meaning: str, words: str, row: Change | Approval) -> Signature:
    return Signature(meaning, words, name_of(row.by), row.at, row.reason, row.signed)


def name_of(user: User) -> str:
    """The full name with the user name, as a signature is read: 'Ada Berg (ada)'."""
    full = user.get_full_name()
    return f"{full} ({user.username})" if full else user.username


def certificate_in_force(policy: Policy) -> Held | None:
    """The change whose gates let the line be at this level with this version.

    A step of the ramp, a harmless edit and a switch back stand on the raise before them. None: no certificate holds, for
    the level needs none, it was voided, or the line was set there without one.
    """
    if not Level(policy.level).runs_model:
        return None
    asked = {"line": policy.line_id, "version": policy.version_id, "level": policy.level}
    number = policy.number
    while rows := _REACHED(**asked, number=number):
        for row in rows:
            if row.change and row.change.certificate.get("gates"):
                return held(row.change)
        number = rows[-1].number - 1
    return None


AT_ONCE = 5  # policies, whose certificates are long: as a rule the first of them has it


def _reached() -> QuerySet[Policy]:
    """The policies up to a number by which a version reached a level on a change, newest first."""
    rows = policies.unvoided(Given("line"), Given("version")).exclude(change=None)
    rows = rows.filter(level=Given("level", TEXT), number__lte=Given("number"))
    return rows.order_by("-number").select_related("change__by")[:AT_ONCE]


_REACHED = Prepared(_reached)


def held(change: Change) -> Held:
    first = change.policies.order_by("number").first()
    return Held(change, (first and applied_to(first)) or change.certificate)


def certificate_json(change: Change) -> Json:
    """The certificate as a file: what was proposed, the gates as they were frozen, and who agreed."""
    return {
        "line": change.line.slug,
        "change": change.pk,
        "kind": change.kind,
        "reason": change.reason,
        "quorum": change.quorum,
        "proposed": change.proposed,
        "certificate": held(change).frozen,
        "certificate_proposed": change.certificate,
        "signatures": [
            {
                "meaning": one.meaning,
                "by": one.name,
                "at": one.at.isoformat(),
                "reason": one.reason,
                "signed": one.signed,
            }
            for one in signatures(change)
        ],
        "policies": [{"number": row.number, "at": row.at.isoformat()} for row in change.policies.order_by("number")],
    }
