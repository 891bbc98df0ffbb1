"""People and machines that sign in: their accounts, their API tokens, and the second factor of who has one."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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

    # The API token that this request was signed in by. It narrows the account: its roles (inspection.roles) and its lines.
    by_token: "ApiToken | None" = None

    class Meta(AbstractUser.Meta):
        ordering = ["username"]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def reaches(self, line_id: int) -> bool:
        """Whether the token of this request, if it came by one, leads to the line; the account's own lines are not asked."""
        return self.by_token is None or self.by_token.lines_reached is None or line_id in self.by_token.lines_reached

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


class Scope(models.TextChoices):
    """What a token is for: never more than its account may, and less where it says so (`inspection.roles.narrowed`)."""

    ALL = "all", gettext_lazy("all that the account may")
    READ = "read", gettext_lazy("read, and change nothing")
    SEND = "send", gettext_lazy("send parts and read its own")
    JUDGE = "judge", gettext_lazy("claim and judge parts")


class TokenQuerySet(models.QuerySet):
    def in_force(self, now: datetime) -> "TokenQuerySet":
        return self.filter(withdrawn_at=None, expires_at__gt=now, user__is_active=True)


class ApiToken(models.Model):
    """A bearer token of the API. Only its SHA-256 is kept: a token has 256 random bits, so no slow hash is needed."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    label = models.CharField(max_length=80, blank=True, db_default="")
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.ALL, db_default="all")
    # Bound to `lines`, of which a removed one leaves none: such a token must not come to reach all.
    bound = models.BooleanField(default=False, db_default=False, editable=False)
    lines = models.ManyToManyField(Line, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    objects = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = "token"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"token {self.pk} of {self.user.username}"

    @property
    def state(self) -> str:
        """`withdrawn`, `expired`, `closed` (its account is) or `valid`, in this order."""
        if self.withdrawn_at:
            return "withdrawn"
        if self.expires_at <= timezone.now():
            return "expired"
        return "valid" if self.user.is_active else "closed"

    @cached_property
    def lines_reached(self) -> frozenset[int] | None:
        """The lines that it is bound to, by their keys; None: those of its account."""
        return frozenset(self.lines.values_list("pk", flat=True)) if self.bound else None

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(cls, user: User, *, days: int = 365, now: datetime | None = None, lines=(), **fields) -> str:
        """Make a token and return its secret, which is shown this once. Actions say by whom (`actions.issue_token`)."""
        secret, lines = "sl_" + secrets.token_urlsafe(32), list(lines)
        expires_at = (now or timezone.now()) + timedelta(days=days)
        token = cls.objects.create(
            user=user, digest=cls.digest_of(secret), expires_at=expires_at, bound=bool(lines), **fields
        )
        token.lines.set(lines)
        return secret


class SecondFactor(models.Model):
    """An authenticator's secret that a person confirmed by a code, sealed with a key made of SECRET_KEY."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor")
    sealed_secret = models.CharField(max_length=255, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    # The half minute (since 1970) of the code that was taken last: it and those before are not taken again.
    last_step = models.BigIntegerField(default=0, editable=False)
    wrong_in_a_row = models.PositiveIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return f"second factor of {self.user.username}"


class RecoveryCode(models.Model):
    """A code that signs in once without the authenticator. Only its SHA-256 is kept: it has 80 random bits."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"recovery code {self.pk} of {self.user.username}"
