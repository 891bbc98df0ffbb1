"""Erases a person: the account closes at once, the names leave the history bit by bit, and the verdicts stay under the pseudonym.

The trail's seals are over pseudonyms, so every chain fits before, meanwhile and after (docs/adr/0020).
"""

from collections.abc import Iterable
from datetime import datetime

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.actions.setting_up import keep_an_admin
from inspection.append_only import audited_purge
from inspection.models import AuditEvent, Erasure, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from inspection.unnamed import ABOUT_USERS, OF_A_USER, USER_NAMES, erased

AT_ONCE = 2_000  # events of one transaction: others write between them


@transaction.atomic
def begin_erasure(*, person: User, confirmed: str, by: User | str, now: datetime | None = None) -> Erasure:
    """Close the account for ever and take from it what no history needs; a second call returns the erasure that there is.

    `confirmed` is the user name, typed again. `by` as text is the command line. Raises BadInput for another name, Conflict
    for one's own account and for the last active admin's.
    """
    if isinstance(by, User):
        must(by, May.SET_UP)
    person = User.objects.select_for_update().get(pk=person.pk)
    if begun := Erasure.objects.filter(person=person).first():
        return begun
    if isinstance(by, User) and by.pk == person.pk:
        raise Conflict(_("Nobody erases their own account. Ask another admin."))
    if confirmed.strip() != person.username:
        raise BadInput(_("Type the user name as it stands here. Nothing was erased."))
    _close(person)
    keep_an_admin()
    _forget_sign_ins(person)
    audit.record("erasure_begun", by=by, subject=OF_A_USER + person.pseudonym)
    return Erasure.objects.create(person=person, by=audit.name_of(by), at=now or timezone.now())


def _close(person: User) -> None:
    person.is_active = person.is_staff = person.is_superuser = False
    person.email, person.language, person.keys, person.last_login = "", "", {}, None
    person.set_unusable_password()
    person.save()
    person.groups.clear()
    person.user_permissions.clear()
    person.lines.clear()


def _forget_sign_ins(person: User) -> None:
    """What is the account's own and goes with it (tokens, leases, whatever signs it in), sessions, counted sign-ins."""
    for field in User._meta.related_objects:
        if field.related_model._meta.app_label == User._meta.app_label and field.on_delete is models.CASCADE:
            field.related_model._base_manager.filter(**{field.field.name: person}).delete()
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()
    for kept in (AccessAttempt, AccessFailureLog, AccessLog):
        kept.objects.filter(username=person.username).delete()


def erase_some(*, erasure: Erasure, most: int = AT_ONCE, now: datetime | None = None) -> Erasure:
    """Take the names out of the next events of the trail; behind the last one out of all else, and the erasure is done."""
    with transaction.atomic():
        erasure = Erasure.objects.select_for_update().select_related("person").get(pk=erasure.pk)
        if erasure.done_at:
            return erasure
        person = erasure.person
        events = list(_naming(person).filter(pk__gt=erasure.seen_to).order_by("pk")[:most])
        with audited_purge(by=erasure.by, reason=f"names of {person.pseudonym} erased"):
            erasure.events += _take_names(events, person)
            if len(events) < most:
                _take_signatures(person)
                _take_account(person)
                erasure.done_at = now or timezone.now()
        if erasure.done_at:
            audit.record("person_erased", by=erasure.by, subject=OF_A_USER + person.pseudonym, events=erasure.events)
        erasure.seen_to = events[-1].pk if events else erasure.seen_to
        erasure.save()
    return erasure


def go_on_erasing() -> None:
    """The next events of every erasure that is under way: what a page began and did not end."""
    for erasure in Erasure.objects.filter(done_at=None):
        erase_some(erasure=erasure)


def _naming(person: User) -> models.QuerySet[AuditEvent]:
    """The events that may hold the person's names."""
    named = Q(by=person.username) | Q(subject=OF_A_USER + person.username)
    return AuditEvent.objects.filter(named | Q(action__in={*USER_NAMES, *ABOUT_USERS}))


def _take_names(events: Iterable[AuditEvent], person: User) -> int:
    """Write the events without the names; how many held one. Most hold it as their actor alone: one statement for these."""
    rows, actors, changed = AuditEvent._base_manager, [], 0
    for event in events:
        after = erased(event, username=person.username, pseudonym=person.pseudonym)
        if after is None:
            continue
        changed += 1
        by, subject, data = after
        if (subject, data) == (event.subject, event.data):
            actors.append(event.pk)
        else:
            rows.filter(pk=event.pk).update(by=by, subject=subject, data=data)
    rows.filter(pk__in=actors).update(by=person.pseudonym)
    return changed


def _take_signatures(person: User) -> None:
    """Rows of every app that hold the actor as text."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.CharField) and (field.name == "by" or field.name.endswith("_by")):
                rows = model._base_manager.filter(**{field.name: person.username})
                rows.update(**{field.name: person.pseudonym})


def _take_account(person: User) -> None:
    person.username, person.first_name, person.last_name = person.pseudonym, "", ""
    person.save(update_fields=["username", "first_name", "last_name"])
