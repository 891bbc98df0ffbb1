"""What people are called to a reader: whoever judged, by a pseudonym; whoever signed for a decision, by their name.

Figures of people are read to see how far judgements hold, not to compare persons. So a reader finds their own name and
others' pseudonyms, unless the site's policy says otherwise (SUPERVISORS_SEE_NAMES). An admin may look a pseudonym up in
the list of accounts, and that is on record. Approvals, adjudications and set-up are signatures: they show names.
"""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from inspection.models import AuditEvent, User, Verdict
from inspection.roles import JUDGES, Role

# The events of the audit trail that tell what somebody judged or asked for on the floor. A correction is one where its author had judged the part;
# anybody else's is a supervisor's signature.
JUDGING = frozenset({"verdict_recorded", "verdict_corrected", "part_skipped", "retake_asked", "halt_requested"})


def names_for(reader: User, people: Iterable[User | None]) -> dict[int, str]:
    """What these people are called to the reader, by their ids. Machines are no persons: they keep their names."""
    found = {person.pk: person for person in people if person}
    others = [pk for pk in found if pk != reader.pk]
    if settings.SUPERVISORS_SEE_NAMES or not others:
        return {pk: str(person) for pk, person in found.items()}
    machines = User.objects.filter(pk__in=others, groups__name=Role.STATION).exclude(groups__name__in=JUDGES)
    named = {reader.pk, *machines.values_list("pk", flat=True)}
    return {pk: str(person) if pk in named else person.pseudonym for pk, person in found.items()}


def name_for(reader: User, person: User | None) -> str:
    """What one person is called to the reader; nobody looked where a label was imported."""
    return names_for(reader, [person])[person.pk] if person else _("imported label")


def usernames_for(reader: User | None, people: Iterable[int | None]) -> dict[int | None, str]:
    """The words by which reports and the API call whoever judged, by their ids: user names or pseudonyms."""
    rows = User.objects.filter(pk__in={pk for pk in people if pk is not None})
    named = settings.SUPERVISORS_SEE_NAMES
    return {
        pk: username if named or (reader and pk == reader.pk) else pseudonym
        for pk, username, pseudonym in rows.values_list("pk", "username", "pseudonym")
    }


def full_names(reader: User | None, called: Iterable[str]) -> dict[str, str]:
    """The full names behind those words of `usernames_for` that are user names; a pseudonym is nobody's."""
    own = {reader.username: str(reader)} if reader else {}
    if not settings.SUPERVISORS_SEE_NAMES:
        return own
    return own | {person.username: str(person) for person in User.objects.filter(username__in=called)}


def told_to(reader: User, events: Iterable[AuditEvent]) -> list[AuditEvent]:
    """Events as this reader may read them: the rows hold user names, and whoever judged is called by a pseudonym."""
    found = list(events)
    if settings.SUPERVISORS_SEE_NAMES:
        return found
    signed = _signed_corrections(found)
    judging = [event for event in found if event.action in JUDGING and event.pk not in signed]
    holding = [event for event in found if "held_by" in event.data]
    names = {event.by for event in judging} | {event.data["held_by"] for event in holding}
    others = User.objects.filter(username__in=names).exclude(pk=reader.pk)
    pseudonyms = dict(others.values_list("username", "pseudonym"))
    for event in judging:
        event.by = pseudonyms.get(event.by, event.by)
    for event in holding:
        event.data = event.data | {"held_by": pseudonyms.get(event.data["held_by"], event.data["held_by"])}
    return found


def _signed_corrections(events: Sequence[AuditEvent]) -> set[int]:
    """The corrections whose author had not judged the part."""
    made = {
        event.pk: (event.subject.removeprefix("inspection "), event.by)
        for event in events
        if event.action == "verdict_corrected"
    }
    parts = {int(part) for part, _by in made.values() if part.isdecimal()}
    judged = Verdict.objects.filter(inspection__in=parts).values_list("inspection_id", "inspector__username")
    judges = {(str(part), name) for part, name in judged}
    return {pk for pk, author in made.items() if author not in judges}
