"""What an admin sets up: lines, stations, variants, shifts, kinds of defect, samples, and the people who sign in."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import ProtectedError, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inspection import audit
from inspection.models import DefectKind, Erasure, Line, Sample, Shift, Station, User, Variant
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, Role, ensure_roles, must

Row = Line | Station | Variant | Shift | DefectKind | Sample

# What history calls a row by. Policies, audit rows and API calls hold these words, so they never change.
FROZEN: dict[type[models.Model], tuple[str, ...]] = {
    Line: ("slug",),
    Station: ("line", "slug"),
    Variant: ("slug",),
    Shift: ("line",),
    DefectKind: ("slug",),
    Sample: (),
    User: ("username",),
}


# What may stand in the way of a removal, for those who translate.
NOUNS = (
    gettext_noop("line"), gettext_noop("station"), gettext_noop("variant"), gettext_noop("shift"),
    gettext_noop("defect kind"), gettext_noop("sample"), gettext_noop("user"), gettext_noop("inspection"),
    gettext_noop("defect"), gettext_noop("urgent lot"),
)  # fmt: skip


def name_of(row: models.Model | type[models.Model]) -> str:
    """What people call such a row, as 'defect kind': in English, as the audit trail tells it."""
    return str(row._meta.verbose_name)


def frozen_fields(row: models.Model) -> tuple[str, ...]:
    """The fields that may no longer change: none while the row is new."""
    if row.pk is None:
        return ()
    # With parts on the line its demo flag says which of them are evidence, so it is settled.
    settled = ("demo",) if isinstance(row, Line) and row.inspections.exists() else ()
    return FROZEN.get(type(row), ()) + settled


def _values(row: models.Model) -> dict[str, Any]:
    fields = (field for field in row._meta.concrete_fields if field.editable and not field.primary_key)
    return {field.attname: field.value_to_string(row) for field in fields}


def _refuse(error: ValidationError) -> BadInput:
    return BadInput(*error.messages)


@transaction.atomic
def set_up(*, row: Row, by: User) -> Row:
    """Write a new or changed line, station, variant, shift or kind of defect.

    Raises BadInput for values that make no sense, Conflict where history holds the old one.
    """
    must(by, May.SET_UP)
    before = type(row).objects.select_for_update().get(pk=row.pk) if row.pk else None
    if before:
        _refuse_frozen(row, before)
    try:
        row.full_clean()
    except ValidationError as error:
        raise _refuse(error) from None
    row.save()
    changed = _changed(before, row)
    if changed:
        audit.record(_action(row, "changed" if before else "set_up"), by=by, line=_line_of(row), subject=row, **changed)
    return row


def _refuse_frozen(row: models.Model, before: models.Model) -> None:
    for name in frozen_fields(before):
        if getattr(row, name) != getattr(before, name):
            words = _("The {noun}'s {field} stands in its history and cannot change. Set up a new one.")
            raise Conflict(words.format(noun=_(name_of(row)), field=name))


def _changed(before: models.Model | None, row: models.Model) -> dict[str, Any]:
    return _differences(_values(before), _values(row)) if before else _values(row)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What was and what is, of the values that differ."""
    return {name: {"before": before[name], "after": value} for name, value in after.items() if before[name] != value}


def _action(row: models.Model, verb: str) -> str:
    return f"{name_of(row).replace(' ', '_')}_{verb}"


def _line_of(row: Row) -> str:
    if isinstance(row, Line):
        return row.slug
    return row.line.slug if isinstance(row, Station | Shift | Sample) else ""


@transaction.atomic
def remove(*, row: Row, by: User) -> None:
    """Remove a row that nothing refers to. Raises Conflict with what does."""
    must(by, May.SET_UP)
    said = _values(row)
    action, line, subject = _action(row, "removed"), _line_of(row), f"{type(row).__name__.lower()} {row.pk}"
    held: Counter[str] = Counter()
    if isinstance(row, Line):
        # The database would let these go with the line; a person bound to no line works on all of them.
        held["shift"] = row.shifts.count()
        held["user"] = User.objects.filter(lines=row).count()
    if isinstance(row, Line | Variant):
        held["sample"] = row.samples.count()
    try:
        with transaction.atomic():
            type(row).objects.get(pk=row.pk).delete()
            if any(held.values()):
                raise Conflict(_held_by(row, held))
    except ProtectedError as error:
        held.update(name_of(other) for other in error.protected_objects)
        raise Conflict(_held_by(row, held)) from None
    audit.record(action, by=by, line=line, subject=subject, **said)


def _held_by(row: models.Model, held: Counter[str]) -> str:
    what = ", ".join(f"{count:,} x {_(name)}" for name, count in sorted(held.items()) if count)
    return _("{name} cannot be removed, because something refers to it: {what}.").format(name=row, what=what)


@transaction.atomic
def set_up_user(
    *, user: User, by: User, roles: Iterable[str], lines: Iterable[Line], password: str | None = None
) -> User:
    """Write a new or changed person or station, with roles and lines (none: all lines); new ones with a password.

    Raises BadInput for a weak password or an unknown role, Conflict when nobody would be left to administer.
    """
    must(by, May.SET_UP)
    before = User.objects.select_for_update().get(pk=user.pk) if user.pk else None
    if before and Erasure.objects.filter(person=before).exists():
        raise Conflict(_("This account is erased. Set up a new one for whoever comes back."))
    if User.objects.filter(pseudonym=user.username).exclude(pk=user.pk).exists():
        raise BadInput(_("This is somebody's pseudonym. Choose another user name."))
    roles, lines = sorted(set(roles)), list(lines)
    if unknown := [role for role in roles if role not in list(Role)]:
        words = _("There is no role {role!r}. The roles are {roles}.")
        raise BadInput(words.format(role=unknown[0], roles=", ".join(Role)))
    if before:
        _refuse_frozen(user, before)
    elif password is None:
        raise BadInput(_("A new account needs a password."))
    told = _account(before) if before else {}
    if password is not None:
        take_password(user, password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise _refuse(error) from None
    user.save()
    ensure_roles()
    user.groups.set(Group.objects.filter(name__in=roles))
    user.lines.set(lines)
    keep_an_admin()
    changed = _differences(told, _account(user)) if before else _account(user)
    if changed or password is not None:
        action = "user_changed" if before else "user_set_up"
        audit.record(action, by=by, subject=f"user {user.username}", **changed)
    return user


def _account(user: User) -> dict[str, Any]:
    """What the audit trail tells of an account."""
    return {
        "name": user.get_full_name(),
        "active": user.is_active,
        "roles": sorted(user.groups.values_list("name", flat=True)),
        "lines": sorted(user.lines.values_list("slug", flat=True)),
    }


def take_password(user: User, password: str) -> None:
    """Set a password on the row in hand, unsaved. Raises BadInput for a weak one."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise _refuse(error) from None
    user.set_password(password)


def keep_an_admin() -> None:
    admins = Q(groups__name=Role.ADMIN.value) | Q(is_superuser=True)
    if not User.objects.filter(admins, is_active=True).exists():
        raise Conflict(
            _("This is the last active admin. Give somebody else the role first, or nobody could set up more.")
        )


@transaction.atomic
def reset_password(*, user: User, password: str, by: User) -> None:
    """Set a new password for somebody; their open sessions end by it. API tokens stay."""
    must(by, May.SET_UP)
    user = User.objects.select_for_update().get(pk=user.pk)
    if Erasure.objects.filter(person=user).exists():
        raise Conflict(_("This account is erased. Set up a new one for whoever comes back."))
    take_password(user, password)
    user.save(update_fields=["password"])
    audit.record("password_reset", by=by, subject=f"user {user.username}")
