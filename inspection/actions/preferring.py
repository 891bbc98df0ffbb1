"""What people set for themselves, the keys of the room and their language; and who looked up a pseudonym."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from inspection import audit
from inspection.figures_read import note_figures_read
from inspection.keys import checked_keys
from inspection.models import User, Where
from inspection.refusals import BadInput, NotAllowed
from inspection.roles import JUDGES


def _own(user: User, by: User) -> User:
    if user.pk != by.pk:
        raise NotAllowed(_("Everybody sets their own preferences."))
    return User.objects.select_for_update().get(pk=user.pk)


@transaction.atomic
def set_own_keys(*, user: User, keys: Mapping[str, Sequence[str]], by: User) -> dict[str, list[str]]:
    """Keep a person's own keys; an empty map goes back to the defaults. Returns what is kept.

    Raises BadInput with everything that is wrong with the map.
    """
    kept = checked_keys(keys)
    row = _own(user, by)
    if row.keys != kept:
        audit.record("own_keys_set", by=by, subject=f"user {row.username}", before=row.keys, keys=kept)
        row.keys = kept
        row.save(update_fields=["keys"])
    user.keys = kept
    return kept


@transaction.atomic
def set_own_language(*, user: User, language: str, by: User) -> None:
    """Choose the language of one's pages; empty: as the browser asks."""
    if language and language not in dict(settings.LANGUAGES):
        known = ", ".join(code for code, _name in settings.LANGUAGES)
        raise BadInput(
            _("There is no language {language}. Known: {known}.").format(language=repr(language), known=known)
        )
    row = _own(user, by)
    if row.language != language:
        audit.record("own_language_set", by=by, subject=f"user {row.username}", before=row.language, language=language)
        row.language = language
        row.save(update_fields=["language"])
    user.language = language


@transaction.atomic
def note_pseudonyms_read(*, by: User, now: datetime | None = None) -> None:
    """An admin opened the list of names beside pseudonyms. Written at most once in an hour for each."""
    people = User.objects.filter(groups__name__in=JUDGES).order_by().values_list("pk", flat=True)
    note_figures_read(of=people, where=Where.ACCOUNTS, by=by, now=now, action="pseudonyms_read")
