"""People and machines that sign in, and their API tokens."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.models.floor import Line
from inspection.refusals import NotAllowed


def new_pseudonym() -> str:
    """A name that says nothing of its bearer: P- and six signs out of 32 that no eye confuses, drawn at random."""
    return "P-" + "".join(secrets.choice("23456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(6))


class User(AbstractUser):
    """A person, or a camera station. Roles are groups; `lines` binds a user to some lines (none = all)."""

    lines = models.ManyToManyField(Line, blank=True, related_name="+")
    pseudonym = models.CharField(max_length=12, unique=True, default=new_pseudonym, editable=False)
    language = models.CharField(max_length=10, blank=True, help_text="Empty: as the browser asks.")
    keys = models.JSONField(default=dict, blank=True, editable=False, help_text="Own keys of the room, by action.")

    class Meta(AbstractUser.Meta):
        ordering = ["username"]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def must_work_on(self, line: Line) -> None:
        """Raise NotAllowed unless the person may work on the line."""
        if not Line.objects.for_user(self).filter(pk=line.pk).exists():
            words = _("You are not bound to {line}. Ask an admin to add the line to your account.")
            raise NotAllowed(words.format(line=line.name))


class Erasure(models.Model):
    """A person asked to be forgotten: their account is closed, and their names leave the history bit by bit until `done_at`."""

    person = models.OneToOneField(User, on_delete=models.PROTECT, related_name="erasure")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)
    seen_to = models.BigIntegerField(default=0, help_text="The last event of the trail that was looked at.")
    events = models.PositiveBigIntegerField(default=0, help_text="Events that held a name of theirs.")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"erasure of {self.person.pseudonym}"


class ApiToken(models.Model):
    """A bearer token of the API. Only its SHA-256 is kept: a token has 256 random bits, so no slow hash is needed."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"token {self.pk} of {self.user.username}"

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(cls, user: User, *, days: int = 365) -> str:
        """Make a token and return its secret, which is shown this once."""
        secret = "sl_" + secrets.token_urlsafe(32)
        cls.objects.create(user=user, digest=cls.digest_of(secret), expires_at=timezone.now() + timedelta(days=days))
        return secret
