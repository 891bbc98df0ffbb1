"""The floor's periodic work."""

from celery import shared_task
from django.utils import timezone

from inspection import actions, months, seals
from inspection.previews import make_missing_previews


@shared_task(time_limit=60)
def keep_house() -> None:
    """Pass overdue second opinions to a supervisor, close seeded parts that are spent, seal the audit trail, and go on erasing."""
    actions.escalate_overdue_opinions()
    actions.withdraw_seeds()
    seals.seal_trail()
    actions.go_on_erasing()


@shared_task(time_limit=600)
def seal_late() -> None:
    """Seal the events of the audit trail that no round of keep_house has found."""
    seals.seal_late()


@shared_task(time_limit=60)
def make_previews() -> None:
    """Make the small pictures of new photos before anybody opens them."""
    make_missing_previews()


@shared_task(time_limit=60)
def contain_escapes() -> None:
    """Open the containments of escapes that people have found."""
    actions.contain_escapes()


@shared_task(time_limit=60)
def mix_seeds() -> None:
    """Mix seeded parts in after the live parts that have come, and go on with the running studies."""
    actions.mix_seeds()
    actions.open_rounds()


@shared_task(time_limit=60)
def make_months() -> None:
    """Make the next months of the tables that PostgreSQL keeps by month."""
    months.make_months(now=timezone.now())
