"""What the line's page may send: a reason with every change, shares in percent as people write them."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.gates import LEAST_SHARE, MOST_COUNT, Limits
from automation.models import Policy
from inspection.refusals import BadInput

PERCENT_WORDS = {
    "alpha": gettext_lazy("Scratched among passed, at most"),
    "delta": gettext_lazy("Error probability"),
    "miss_limit": gettext_lazy("Scratched parts passed, at most"),
    "false_alarm_limit": gettext_lazy("Good called scratched, at most"),
    "overkill_limit": gettext_lazy("Good among rejected, at most"),
    "null_limit": gettext_lazy("Without an answer, at most"),
    "escalation_limit": gettext_lazy("In the unsure band, at most"),
    "audits_share": gettext_lazy("Audits judged before a step of the ramp, at least"),
}
COUNT_WORDS = {
    "blind_pairs": gettext_lazy("Blind verdicts, at least"),
    "shifts": gettext_lazy("Shifts with verdicts, at least"),
    "days": gettext_lazy("Days with verdicts, at least"),
    "held_days": gettext_lazy("Days at partial, at least"),
    "audit_hours": gettext_lazy("Hours until an audit is overdue"),
    "step_audits": gettext_lazy("Audited passes in a step of the ramp, at least"),
    "escape_budget": gettext_lazy("Unaudited escapes during a ramp, at most"),
}

PLAIN = ("audit_share", "blind_share", "hold_seconds", "assist_wait", "quorum")
CHECKED = ("signed",)  # fields of the policy that are ticked
RAMP = ("ramp",)  # written as text
NARROW = str.maketrans("\uff0c\uff1a", ",:")  # the comma and the colon of a Chinese keyboard


class NumberInput(forms.NumberInput):
    """Written without a template of its own: the page has two dozen of them."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        written = self.build_attrs(self.attrs, attrs) | {"type": "number", "name": name}
        shown = self.format_value(value)
        return format_html("<input{}>", flatatt(written if shown is None else written | {"value": shown}))


def to_percent(share: float) -> Decimal:
    """0.005 -> 0.5, without the dust of binary fractions."""
    return (Decimal(str(share)) * 100).normalize() + 0


def percent_field(label: Promise, help_text: Any = "") -> forms.DecimalField:
    widget = NumberInput(attrs={"step": "any", "inputmode": "decimal"})
    least = to_percent(LEAST_SHARE)
    return forms.DecimalField(
        label=format_lazy("{} (%)", label), min_value=least, max_value=100, help_text=help_text, widget=widget
    )


class RampField(forms.Field):
    """The steps of a ramp as people write them: "5: 100, 25: 50, 100: 10", each a share of the parts and how many of the
    machine's decisions are audited meanwhile, in percent."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return ", ".join(f"{to_percent(share):f}: {to_percent(audited):f}" for share, audited in value or ())

    def to_python(self, value: Any) -> list[list[float]]:
        if isinstance(value, list):
            return value
        written = (value or "").translate(NARROW)
        steps = [step.split(":") for step in written.split(",") if step.strip()]
        try:
            return [
                [float(Decimal(share.strip()) / 100), float(Decimal(audited.strip()) / 100)] for share, audited in steps
            ]
        except (ValueError, ArithmeticError):
            raise forms.ValidationError(_("Write each step as 5: 100, and a comma between two.")) from None


class ProposalForm(forms.Form):
    """A level, a version, or both; with a step up go the thresholds that the page judged its gates for."""

    level = forms.CharField(required=False)
    model = forms.CharField(required=False)
    pass_below = forms.FloatField(required=False)
    reject_from = forms.FloatField(required=False)
    reason = forms.CharField(required=False)

    def proposal(self) -> dict[str, Any]:
        """The keyword arguments of `propose_change`."""
        sent = self.cleaned_data
        bars = {name: sent[name] for name in ("pass_below", "reject_from") if sent[name] is not None}
        wanted = {name: sent[name] or None for name in ("level", "model")}
        return {**wanted, "policy": bars, "reason": sent["reason"]}


class AskedForm(forms.Form):
    """The thresholds and the version that the gates are judged for, from the URL; nonsense is as if not asked."""

    pass_below = forms.FloatField(required=False)
    reject_from = forms.FloatField(required=False)
    model = forms.CharField(required=False)


class RampForm(forms.Form):
    """What the ramp is told: to hold, to go on, or to step back. The button says which."""

    to = forms.CharField()
    reason = forms.CharField(required=False)


class PolicyForm(forms.Form):
    """The quieter fields of a policy, with the limits that the gates ask for."""

    audit_share = percent_field(
        gettext_lazy("Audit share"), gettext_lazy("Of the parts that the machine decides, judged blind by a person.")
    )
    blind_share = percent_field(
        gettext_lazy("Blind share"), gettext_lazy("At assist, of the parts that are judged without advice.")
    )
    hold_seconds = forms.IntegerField(
        widget=NumberInput,
        label=gettext_lazy("Hold (s)"),
        min_value=1,
        max_value=3600,
        help_text=gettext_lazy("A part waits this long for the machine."),
    )
    assist_wait = forms.IntegerField(
        widget=NumberInput,
        label=gettext_lazy("Assist wait (s)"),
        min_value=0,
        max_value=60,
        help_text=gettext_lazy("A part waits this long for advice."),
    )
    quorum = forms.IntegerField(
        widget=NumberInput,
        label=gettext_lazy("Quorum"),
        min_value=1,
        max_value=3,
        help_text=gettext_lazy("People who agree before the machine decides."),
    )
    ramp = RampField(
        label=gettext_lazy("Ramp"),
        required=False,
        widget=forms.TextInput(attrs={"maxlength": 300, "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Steps of a raise in percent: share of the parts, then how many of the machine's decisions are audited. "
            "As a rule 5: 100, 25: 50, 50: 25, 100: 10."
        ),
    )
    sensitivity_from_seeds = forms.BooleanField(
        label=gettext_lazy("Measure inspectors by seeded parts"),
        required=False,
        help_text=gettext_lazy("Switched off, the certificate takes inspectors as perfect."),
    )
    without_novelty = forms.BooleanField(
        label=gettext_lazy("An earlier system may decide"),
        required=False,
        help_text=gettext_lazy("Although it cannot tell a part unlike any seen before, nor a bad photo."),
    )
    signed = forms.BooleanField(
        label=gettext_lazy("Changes are signed"),
        required=False,
        help_text=gettext_lazy("Whoever proposes or approves a change enters their password again."),
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=500)

    def __init__(self, policy: Policy, data: Any = None):
        self.policy = policy
        self.limits = Limits.from_json(policy.limits)
        super().__init__(data, initial=self._now(), auto_id="policy_%s")
        for name, label in PERCENT_WORDS.items():
            self.fields[name] = percent_field(label)
        for name, label in COUNT_WORDS.items():
            self.fields[name] = forms.IntegerField(label=label, min_value=0, max_value=MOST_COUNT, widget=NumberInput)

    def _now(self) -> dict[str, Any]:
        limits = self.limits.to_json()
        limits |= {name: to_percent(limits[name]) for name in PERCENT_WORDS}
        plain = {name: getattr(self.policy, name) for name in (*PLAIN, *CHECKED, *RAMP)}
        return limits | plain | {name: to_percent(plain[name]) for name in ("audit_share", "blind_share")}

    def onto(self, policy: Policy) -> dict[str, Any]:
        """What was typed over this form's policy, as it would be typed over another: what was left alone is the other's."""
        now = PolicyForm(policy)._now()
        return {name: self[name].value() if name in self.changed_data else now.get(name, "") for name in self.fields}

    def changes(self) -> dict[str, Any]:
        """The policy's fields that are to be other than now. Raises BadInput for nonsense, and when nothing is."""
        if not self.is_valid():
            said = ((self.fields[name].label, error) for name, errors in self.errors.items() for error in errors)
            raise BadInput(*[f"{label}: {error}" for label, error in said])
        limits = {limit.name: self._value(limit.name) for limit in fields(Limits)}
        changed = {name: value for name, value in limits.items() if value != getattr(self.limits, name)}
        names = (*PLAIN, *CHECKED, *RAMP)
        found = {name: self._value(name) for name in names if self._value(name) != getattr(self.policy, name)}
        if changed:
            found["limits"] = {**self.policy.limits, **changed}
        if not found:
            raise BadInput(_("Nothing of the policy was changed."))
        return found

    def _value(self, name: str) -> Any:
        value = self.cleaned_data[name]
        return float(value / 100) if isinstance(value, Decimal) else value

    def shares(self) -> list[forms.BoundField]:
        return [self[name] for name in (*PLAIN, *RAMP)]

    def ticked(self) -> list[forms.BoundField]:
        return [self[name] for name in ("sensitivity_from_seeds", "without_novelty", *CHECKED)]

    def asked_for(self) -> list[forms.BoundField]:
        return [self[name] for name in (*PERCENT_WORDS, *COUNT_WORDS)]
