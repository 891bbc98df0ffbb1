"""The set-up pages' forms: errors next to their fields, and fields that history holds cannot be edited."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from inspection.actions.setting_up import frozen_fields
from inspection.models import DefectKind, Line, Shift, Station, User, Variant
from inspection.roles import Role

FROZEN_HINT = "It stands in the history and cannot change."
DEMO_HINT = "Simulated parts count as live on a demo line. Settled, because the line has parts."
CLOCK = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class SetUpForm(forms.ModelForm):
    """A form of one row; what history calls the row by is shown and cannot be edited."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name in frozen_fields(self.instance):
            self.fields[name].disabled = True
            self.fields[name].help_text = DEMO_HINT if name == "demo" else FROZEN_HINT

    def full_clean(self) -> None:
        """A name that is taken is said beside the name, not on top of the form."""
        super().full_clean()
        errors = self.errors.as_data() if self.is_bound else {}
        if any(error.code == "unique_together" for error in errors.get(NON_FIELD_ERRORS, [])):
            name = "slug" if "slug" in self.fields else "name"
            label = str(self.fields[name].label).lower()
            self.errors.pop(NON_FIELD_ERRORS)
            self.add_error(name, f"The line has a {self.instance._meta.verbose_name} of this {label} already.")


class LineForm(SetUpForm):
    class Meta:
        model = Line
        fields = [
            "name", "slug", "time_zone", "box_required", "undo_seconds", "lease_seconds", "second_opinion_minutes",
            "demo",
        ]  # fmt: skip
        labels = {
            "slug": "Short name", "time_zone": "Time zone", "box_required": "A mark is required",
            "undo_seconds": "Undo (s)", "lease_seconds": "Lease (s)",
            "second_opinion_minutes": "Second opinion within (min)", "demo": "Demo line",
        }  # fmt: skip
        help_texts = {
            "slug": "In addresses, tokens and the audit trail: letters, digits and hyphens, such as line-a.",
            "time_zone": "Its shifts and reports follow this clock.",
            "undo_seconds": "How long an inspector may take a verdict back.",
        }
        widgets = {"time_zone": forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"})}
        error_messages = {"slug": {"unique": "There is a line of this short name already."}}

    @staticmethod
    def time_zones() -> list[str]:
        return sorted(available_timezones())


class StationForm(SetUpForm):
    class Meta:
        model = Station
        fields = ["line", "name", "slug"]
        labels = {"slug": "Short name"}
        help_texts = {"slug": "What the station sends as 'station'; unique on its line, such as cam-1."}


class VariantForm(SetUpForm):
    class Meta:
        model = Variant
        fields = ["name", "slug"]
        labels = {"slug": "Short name"}
        help_texts = {"slug": "What a station sends as 'variant'. One that is sent and not known is set up by itself."}
        error_messages = {"slug": {"unique": "There is a variant of this short name already."}}


class ShiftForm(SetUpForm):
    class Meta:
        model = Shift
        fields = ["line", "name", "starts_at", "ends_at"]
        labels = {"starts_at": "From", "ends_at": "To"}
        help_texts = {"ends_at": "By the line's own clock; earlier than From means after midnight."}
        widgets = {"starts_at": CLOCK, "ends_at": CLOCK}

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or {}
        if sent.get("starts_at") and sent.get("starts_at") == sent.get("ends_at"):
            self.add_error("ends_at", "The shift ends when it begins. Give it a length.")
        return sent


class DefectKindForm(SetUpForm):
    class Meta:
        model = DefectKind
        fields = ["name", "slug", "rejects", "contamination", "key"]
        labels = {"slug": "Short name", "rejects": "Rejects the part"}
        help_texts = {
            "slug": "What the API calls it, such as scratch.",
            "key": "One letter that picks this kind while marking; may stay empty.",
        }
        error_messages = {"slug": {"unique": "There is a defect kind of this short name already."}}

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or {}
        if sent.get("rejects") and sent.get("contamination"):
            self.add_error("contamination", "A contamination is cleaned and looked at again; it cannot reject.")
        return sent

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].lower()
        other = DefectKind.objects.filter(key=key).exclude(pk=self.instance.pk).first() if key else None
        if other:
            raise ValidationError(f"The key picks {other.name} already.")
        return key


class UserForm(SetUpForm):
    """An account; a new one brings its first password."""

    name = forms.CharField(max_length=150, required=False, help_text="As colleagues read it.")
    roles = forms.MultipleChoiceField(
        choices=[(role.value, role.value.capitalize()) for role in Role],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without a role, nothing but signing in.",
    )
    lines = forms.ModelMultipleChoiceField(
        Line.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: all lines."
    )
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)

    class Meta:
        model = User
        fields = ["username", "is_active"]
        labels = {"is_active": "May sign in"}
        help_texts = {"username": "It stands in the audit trail and cannot change later.", "is_active": ""}
        error_messages = {"username": {"unique": "There is an account of this name already."}}

    field_order = ["username", "name", "password", "roles", "lines", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        del self.fields["password"]
        self.initial["name"] = self.instance.get_full_name()
        self.initial["roles"] = list(self.instance.groups.values_list("name", flat=True))
        self.initial["lines"] = list(self.instance.lines.all())

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound:
            self.instance.first_name, self.instance.last_name = self.cleaned_data.get("name", ""), ""
            _check_password(self, self.instance)


class PasswordForm(forms.Form):
    """A new password for somebody who has lost theirs."""

    password = forms.CharField(
        label="New password", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    def __init__(self, user: User, data: Any = None):
        self.user = user
        super().__init__(data, auto_id="new_%s")

    def clean(self) -> None:
        _check_password(self, self.user)


def _check_password(form: forms.Form | forms.ModelForm, user: User) -> None:
    """Django's validators, with their words beside the field. Last, because they compare with the account's name."""
    if password := form.cleaned_data.get("password"):
        try:
            validate_password(password, user)
        except ValidationError as error:
            form.add_error("password", error)
