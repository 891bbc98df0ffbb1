"""What people do with their own account: the password, the second factor; and what an admin takes back when it is lost."""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from inspection import audit, second_factor
from inspection.actions.setting_up import take_password
from inspection.models import RecoveryCode, SecondFactor, User
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import May, must

# Wrong codes in a row after which none is taken until an admin resets the factor: whoever tries them has the password.
MOST_WRONG = 100


class WrongPassword(BadInput):
    """The password that was asked for is another one."""


@sensitive_variables("password")
def _must_know(user: User, password: str) -> None:
    if not user.check_password(password):
        raise WrongPassword(_("This is not your password."))


@sensitive_variables("old_password", "password")
@transaction.atomic
def set_own_password(*, by: User, old_password: str, password: str) -> None:
    """Change one's own password; other open sessions end by it.

    Raises WrongPassword for a wrong old one, BadInput for a weak new one or the same again. An admin's reset does not
    compare with the last: it would tell the admin what somebody's password is not, or is.
    """
    user = User.objects.select_for_update().get(pk=by.pk)
    _must_know(user, old_password)
    if user.check_password(password):
        raise BadInput(_("This is the password that you have now. Choose another one."))
    take_password(user, password)
    user.save(update_fields=["password"])
    by.password = user.password
    audit.record("own_password_set", by=by, subject=f"user {user.username}")


def has_second_factor(user: User) -> bool:
    return SecondFactor.objects.filter(user=user.pk, confirmed_at__isnull=False).exists()


@transaction.atomic
def begin_second_factor(*, by: User) -> SecondFactor:
    """Draw a secret, which counts for nothing until a code of it is entered. Raises Conflict where there is one that does."""
    if has_second_factor(by):
        raise Conflict(_("You have a second factor already. Turn it off before you set up another."))
    SecondFactor.objects.filter(user=by.pk).delete()
    return SecondFactor.objects.create(user=by, sealed_secret=second_factor.seal(second_factor.new_secret()))


@transaction.atomic
def confirm_second_factor(*, by: User, code: str, now: datetime | None = None) -> list[str]:
    """Take the new secret into use by a code of it. Returns the recovery codes, which are shown this once."""
    now = now or timezone.now()
    factor = SecondFactor.objects.select_for_update(of=("self",)).filter(user=by.pk, confirmed_at=None).first()
    if factor is None:
        raise Conflict(_("There is nothing to confirm. Begin again."))
    step = second_factor.step_of(second_factor.unseal(factor.sealed_secret), plain(code), now)
    if step is None:
        raise BadInput(_("This code is not right. Enter the one that the authenticator shows now."))
    factor.confirmed_at, factor.last_step = now, step
    factor.save(update_fields=["confirmed_at", "last_step"])
    audit.record("second_factor_set_up", by=by, subject=f"user {by.username}")
    return _new_recovery_codes(by)


@sensitive_variables("password")
@transaction.atomic
def turn_off_second_factor(*, by: User, password: str) -> None:
    """End one's own second factor; the password is asked, or an open session would be enough to take it away."""
    _must_know(by, password)
    if _forget(by):
        audit.record("second_factor_turned_off", by=by, subject=f"user {by.username}")


@transaction.atomic
def reset_second_factor(*, user: User, by: User | str) -> bool:
    """Take a lost second factor off an account, as an admin or at the command line; False where it has none."""
    if isinstance(by, User):
        must(by, May.SET_UP)
    if not _forget(user):
        return False
    audit.record("second_factor_reset", by=by, subject=f"user {user.username}")
    return True


def _forget(user: User) -> int:
    RecoveryCode.objects.filter(user=user.pk).delete()
    return SecondFactor.objects.filter(user=user.pk).delete()[0]


@sensitive_variables("password")
@transaction.atomic
def renew_recovery_codes(*, by: User, password: str) -> list[str]:
    """New codes in place of all before; they are shown this once."""
    _must_know(by, password)
    if not has_second_factor(by):
        raise Conflict(_("Recovery codes belong to a second factor. Set one up first."))
    audit.record("recovery_codes_renewed", by=by, subject=f"user {by.username}")
    return _new_recovery_codes(by)


def _new_recovery_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user=user.pk).delete()
    codes = [second_factor.new_recovery_code() for _ in range(second_factor.RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=second_factor.digest_of(user.pk, code)) for code in codes
    )
    return codes


def plain(code: str) -> str:
    """A code as it is compared: authenticators show it with a space in the middle."""
    return "".join(code.split())


def pass_second_step(*, user: User, code: str, now: datetime | None = None) -> bool:
    """Whether the code is right: the authenticator's, once, or a recovery code, once. A wrong one is counted.

    Raises NotAllowed where no code can be: too many wrong ones in a row, or a secret sealed with a key that is gone.
    """
    now = now or timezone.now()
    factor = SecondFactor.objects.get(user=user.pk, confirmed_at__isnull=False)
    if factor.wrong_in_a_row >= MOST_WRONG:
        raise NotAllowed(
            _("Too many wrong codes were entered for this account. Ask an admin to reset its second factor.")
        )
    if _take_code(factor, code, now) or _take_recovery_code(user, code, now):
        SecondFactor.objects.filter(pk=factor.pk).update(wrong_in_a_row=0)
        return True
    SecondFactor.objects.filter(pk=factor.pk).update(wrong_in_a_row=F("wrong_in_a_row") + 1)
    return False


def _take_code(factor: SecondFactor, code: str, now: datetime) -> bool:
    try:
        step = second_factor.step_of(second_factor.unseal(factor.sealed_secret), plain(code), now)
    except second_factor.Unreadable:
        if not plain(code).isdecimal():
            return False  # a recovery code needs no secret
        words = _(
            "The site's key was changed, and codes cannot be checked any more. Use a recovery code, or ask an admin."
        )
        raise NotAllowed(words) from None
    # Of two requests with the same code one finds the row as it was.
    newer = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step) if step is not None else None
    return bool(newer is not None and newer.update(last_step=step))


@transaction.atomic
def _take_recovery_code(user: User, code: str, now: datetime) -> bool:
    unused = RecoveryCode.objects.filter(user=user.pk, digest=second_factor.digest_of(user.pk, code), used_at=None)
    if not unused.update(used_at=now):
        return False
    left = RecoveryCode.objects.filter(user=user.pk, used_at=None).count()
    audit.record("recovery_code_used", by=user, subject=f"user {user.username}", left=left)
    return True
