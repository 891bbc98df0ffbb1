"""The forms of alarms: how long an acknowledgement holds, what an alarm was, and who is told of it."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inspection.forms import CLOCK, SetUpForm
from monitoring.actions.channels import DISPOSITIONS_BY_WEBHOOK
from monitoring.adapting import Adapt
from monitoring.delivering import addresses_of
from monitoring.models import Cause, Channel
from monitoring.webhooks import Undelivered, check_webhook

FOR_GOOD = "for_good"
SPANS = {
    "hour": (_("for an hour"), timedelta(hours=1)),
    "shift": (_("for 8 hours"), timedelta(hours=8)),
    "day": (_("for a day"), timedelta(days=1)),
    "week": (_("for a week"), timedelta(days=7)),
}


class AcknowledgementForm(forms.Form):
    comment = forms.CharField(max_length=500, required=False)
    span = forms.ChoiceField(
        choices=[(FOR_GOOD, _("until it is closed")), *((name, words) for name, (words, _span) in SPANS.items())],
        required=False,
    )

    def until(self, now: datetime) -> datetime | None:
        """When the acknowledgement ends; None: only with the alarm."""
        span = self.cleaned_data["span"]
        return now + SPANS[span][1] if span in SPANS else None


class ClosingForm(forms.Form):
    comment = forms.CharField(max_length=500, required=False)  # the action refuses an empty one, in its own words
    cause = forms.ChoiceField(choices=Cause.choices, required=False)
    adapt = forms.ChoiceField(choices=[("", ""), *Adapt.choices], required=False)
    seen = forms.IntegerField(min_value=0, required=False)  # the policy under which the ways were replayed


class ChannelForm(SetUpForm):
    """A way to tell people of alarms."""

    class Meta:
        model = Channel
        fields = [
            "name",
            "kind",
            "target",
            "line",
            "tells_alarms",
            "tells_dispositions",
            "least",
            "quiet_from",
            "quiet_to",
            "paused",
        ]
        labels = {
            "name": _("Name"), "kind": _("Kind"), "target": _("To"), "line": _("Line"), "least": _("From severity"),
            "tells_alarms": _("Alarms"), "tells_dispositions": _("Dispositions of parts"),
            "quiet_from": _("Quiet from"), "quiet_to": _("Quiet to"), "paused": _("Paused"),
        }  # fmt: skip
        help_texts = {
            "target": _("E-mail: addresses, separated by commas. Webhook: an address that begins with https://."),
            "line": _("Empty: what happens on all lines."),
            "tells_dispositions": _(
                "Each part that passes or is rejected, and each change of that, about half a minute later. Webhooks only."
            ),
            "least": _("Less grave alarms are not told."),
            "quiet_from": _("By the line's own clock. All but critical alarms wait until the quiet hours end."),
            "paused": _("Nothing is told while it is paused. Alarms are not told later, either; dispositions are."),
        }
        error_messages = {"name": {"unique": _("There is a channel of this name already.")}}
        widgets = {"quiet_from": CLOCK, "quiet_to": CLOCK}

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or {}
        if bool(sent.get("quiet_from")) != bool(sent.get("quiet_to")):
            self.add_error("quiet_to", gettext("Quiet hours have a beginning and an end: give both, or neither."))
        if not sent.get("tells_alarms") and not sent.get("tells_dispositions"):
            self.add_error("tells_alarms", gettext("Choose what is told: alarms, dispositions, or both."))
        if sent.get("tells_dispositions") and sent.get("kind") == Channel.Kind.EMAIL:
            self.add_error("tells_dispositions", str(DISPOSITIONS_BY_WEBHOOK))
        if target := sent.get("target"):
            try:
                check_webhook(target) if sent.get("kind") == Channel.Kind.WEBHOOK else _check_addresses(target)
            except (Undelivered, ValidationError) as error:
                self.add_error("target", str(error) if isinstance(error, Undelivered) else error)
        return sent


def _check_addresses(target: str) -> None:
    for address in addresses_of(target) or [""]:
        validate_email(address)
