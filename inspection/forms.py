"""The set-up pages' forms: errors next to their fields, and fields that history holds cannot be edited."""

from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from inspection.actions.setting_up import frozen_fields, name_of
from inspection.actions.tokens import MAX_DAYS
from inspection.models import ApiToken, DefectKind, Line, Photo, Sample, Shift, Station, User, Variant
from inspection.roles import Role

FROZEN_HINT = gettext_lazy("It stands in the history and cannot change.")
DEMO_HINT = gettext_lazy("Simulated parts count as live on a demo line. Settled, because the line has parts.")
# Django's own sentence, which its Chinese lacks: marked here, ours stands in for it.
TOO_SHORT = ngettext_lazy(
    "This password is too short. It must contain at least %d character.",
    "This password is too short. It must contain at least %d characters.",
)
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
            words = _("The line has a {noun} of this {label} already.")
            self.add_error(name, words.format(noun=_(name_of(self.instance)), label=label))


class LineForm(SetUpForm):
    class Meta:
        model = Line
        fields = [
            "name", "slug", "time_zone", "box_required", "undo_seconds", "lease_seconds", "second_opinion_minutes",
            "zoom_limit", "viewing_seconds", "seed_percent", "repeat_percent", "demo",
        ]  # fmt: skip
        labels = {
            "name": gettext_lazy("Name"), "slug": gettext_lazy("Short name"), "time_zone": gettext_lazy("Time zone"), "box_required": gettext_lazy("A mark is required"),
            "undo_seconds": gettext_lazy("Undo (s)"), "lease_seconds": gettext_lazy("Lease (s)"),
            "second_opinion_minutes": gettext_lazy("Second opinion within (min)"), "demo": gettext_lazy("Demo line"),
            "zoom_limit": gettext_lazy("Closest look (%)"), "viewing_seconds": gettext_lazy("Viewing time (s)"),
            "seed_percent": gettext_lazy("Seeded parts (%)"), "repeat_percent": gettext_lazy("Repeated parts (%)"),
        }  # fmt: skip
        help_texts = {
            "slug": gettext_lazy(
                "In addresses, tokens and the audit trail: letters, digits and hyphens, such as line-a."
            ),
            "time_zone": gettext_lazy("Its shifts and reports follow this clock."),
            "demo": gettext_lazy("Simulated parts count as live on a demo line."),
            "box_required": gettext_lazy("A verdict of scratched needs a marked defect."),
            "lease_seconds": gettext_lazy("How long an opened part stays with one person without a sign of life."),
            "second_opinion_minutes": gettext_lazy(
                "A part that waits longer than this for a second person goes to a supervisor."
            ),
            "undo_seconds": gettext_lazy("How long an inspector may take a verdict back."),
            "zoom_limit": gettext_lazy(
                "How far inspectors may zoom in, in percent of the photo's own pixels: 100 is one to one. Empty: no limit."
            ),
            "viewing_seconds": gettext_lazy(
                "The photo is covered after this time and the part is judged from what was seen. Where a mark is required,"
                " leave time to draw it. Empty: no limit."
            ),
            "seed_percent": gettext_lazy(
                "Parts of known truth mixed in, in percent of the line's parts, at most 20. They tell how many scratches"
                " inspectors find, and cost as much judging. Empty: none."
            ),
            "repeat_percent": gettext_lazy(
                "Judged parts shown again, in percent of the line's parts, at most 20. They tell how far people agree."
                " Empty: none."
            ),
        }
        widgets = {"time_zone": forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"})}
        error_messages = {"slug": {"unique": gettext_lazy("There is a line of this short name already.")}}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name in ("seed_percent", "repeat_percent"):
            self.fields[name].required = False  # empty: none

    def clean_seed_percent(self) -> float:
        return self.cleaned_data["seed_percent"] or 0.0

    def clean_repeat_percent(self) -> float:
        return self.cleaned_data["repeat_percent"] or 0.0

    @staticmethod
    def time_zones() -> list[str]:
        return sorted(available_timezones())


class StationForm(SetUpForm):
    class Meta:
        model = Station
        fields = ["line", "name", "slug"]
        labels = {"line": gettext_lazy("Line"), "name": gettext_lazy("Name"), "slug": gettext_lazy("Short name")}
        help_texts = {"slug": gettext_lazy("What the station sends as 'station'; unique on its line, such as cam-1.")}


class VariantForm(SetUpForm):
    class Meta:
        model = Variant
        fields = ["name", "slug"]
        labels = {"name": gettext_lazy("Name"), "slug": gettext_lazy("Short name")}
        help_texts = {
            "slug": gettext_lazy(
                "What a station sends as 'variant'. One that is sent and not known is set up by itself."
            )
        }
        error_messages = {"slug": {"unique": gettext_lazy("There is a variant of this short name already.")}}


class ShiftForm(SetUpForm):
    class Meta:
        model = Shift
        fields = ["line", "name", "starts_at", "ends_at"]
        labels = {
            "line": gettext_lazy("Line"), "name": gettext_lazy("Name"),
            "starts_at": gettext_lazy("From"), "ends_at": gettext_lazy("To"),
        }  # fmt: skip
        help_texts = {"ends_at": gettext_lazy("By the line's own clock; earlier than From means after midnight.")}
        widgets = {"starts_at": CLOCK, "ends_at": CLOCK}

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or {}
        if sent.get("starts_at") and sent.get("starts_at") == sent.get("ends_at"):
            self.add_error("ends_at", _("The shift ends when it begins. Give it a length."))
        return sent


class DefectKindForm(SetUpForm):
    class Meta:
        model = DefectKind
        fields = ["name", "slug", "rejects", "contamination", "key"]
        labels = {
            "name": gettext_lazy("Name"), "slug": gettext_lazy("Short name"),
            "rejects": gettext_lazy("Rejects the part"), "contamination": gettext_lazy("Contamination"),
            "key": gettext_lazy("Key"),
        }  # fmt: skip
        help_texts = {
            "slug": gettext_lazy("What the API calls it, such as scratch."),
            "rejects": gettext_lazy("A part with this defect is rejected."),
            "contamination": gettext_lazy("Dirt: clean the part and look again."),
            "key": gettext_lazy("One letter that picks this kind while marking; may stay empty."),
        }
        error_messages = {"slug": {"unique": gettext_lazy("There is a defect kind of this short name already.")}}

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or {}
        if sent.get("rejects") and sent.get("contamination"):
            self.add_error("contamination", _("A contamination is cleaned and looked at again; it cannot reject."))
        return sent

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].lower()
        other = DefectKind.objects.filter(key=key).exclude(pk=self.instance.pk).first() if key else None
        if other:
            raise ValidationError(_("The key picks {kind} already.").format(kind=other.name))
        return key


class SampleForm(SetUpForm):
    """A sample; a new one brings its photo."""

    photo = forms.FileField(
        label=gettext_lazy("Photo"), help_text=gettext_lazy("A JPEG, PNG or WebP, as a camera of the line takes it."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )  # fmt: skip

    class Meta:
        model = Sample
        fields = ["line", "meaning", "caption", "variant", "view"]
        labels = {
            "line": gettext_lazy("Line"), "meaning": gettext_lazy("What it shows"), "caption": gettext_lazy("Caption"),
            "variant": gettext_lazy("Variant"), "view": gettext_lazy("View"),
        }  # fmt: skip
        help_texts = {
            "caption": gettext_lazy("What to look at, such as 'hairline of 2 mm beside the camera'; may stay empty."),
            "variant": gettext_lazy("Empty: it is shown for all variants."),
            "view": gettext_lazy("As the station calls it, such as front. Empty: it is shown for all views."),
        }

    field_order = ["photo", "line", "meaning", "caption", "variant", "view"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            del self.fields["photo"]

    def clean_photo(self) -> bytes:
        """The bytes of the upload, read only when they are not too many; whether they are a photo, the action asks."""
        upload, limit = self.cleaned_data["photo"], settings.PHOTO_MAX_BYTES
        if upload.size > limit:
            words = _("The photo has {size} bytes; at most {limit} are taken.")
            raise ValidationError(words.format(size=f"{upload.size:,}", limit=f"{limit:,}"))
        return upload.read()


class PartSampleForm(forms.ModelForm):
    """A photo of a judged part as a sample of one of the person's lines."""

    class Meta(SampleForm.Meta):
        pass

    def __init__(self, photo: Photo, by: User, data: Any = None):
        part = photo.inspection
        super().__init__(data, initial={"line": part.line_id, "variant": part.variant_id, "view": photo.view})
        cast(forms.ModelChoiceField, self.fields["line"]).queryset = Line.objects.for_user(by)


class UserForm(SetUpForm):
    """An account; a new one brings its first password."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=150, required=False, help_text=gettext_lazy("As colleagues read it.")
    )
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Roles"),
        choices=lambda: [(role.value, capfirst(_(role))) for role in Role],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Without a role, nothing but signing in."),
    )
    lines = forms.ModelMultipleChoiceField(
        Line.objects.all(),
        label=gettext_lazy("Lines"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all lines."),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    class Meta:
        model = User
        fields = ["username", "is_active"]
        labels = {"username": gettext_lazy("User name"), "is_active": gettext_lazy("May sign in")}
        help_texts = {
            "username": gettext_lazy("It stands in the audit trail and cannot change later."),
            "is_active": "",
        }
        error_messages = {"username": {"unique": gettext_lazy("There is an account of this name already.")}}

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
        label=gettext_lazy("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
    )

    def __init__(self, user: User, data: Any = None):
        self.user = user
        super().__init__(data, auto_id="new_%s")

    def clean(self) -> None:
        _check_password(self, self.user)


class OwnPasswordForm(forms.Form):
    """Somebody's own new password, and the one that they have now."""

    old_password = forms.CharField(
        label=gettext_lazy("Password that you have now"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        strip=False,
    )
    password = forms.CharField(
        label=gettext_lazy("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=gettext_lazy("At least 10 characters, none of the usual ones. Several words are easy to keep."),
    )
    again = forms.CharField(
        label=gettext_lazy("New password again"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
    )

    def __init__(self, user: User, data: Any = None):
        self.user = user
        super().__init__(data)

    def clean(self) -> None:
        sent = self.cleaned_data
        if "password" in sent and "again" in sent and sent["password"] != sent["again"]:
            self.add_error("again", _("The two are not the same."))
        _check_password(self, self.user)


class TokenForm(SetUpForm):
    """A new API token; none is edited later."""

    days = forms.IntegerField(
        label=gettext_lazy("Days"), min_value=1, max_value=MAX_DAYS, initial=365,
        help_text=gettext_lazy("How long it is valid."),
    )  # fmt: skip

    class Meta:
        model = ApiToken
        fields = ["user", "label", "scope", "lines"]
        labels = {
            "user": gettext_lazy("Account"), "label": gettext_lazy("Label"), "scope": gettext_lazy("What it is there for"),
            "lines": gettext_lazy("Lines"),
        }  # fmt: skip
        help_texts = {
            "user": gettext_lazy("A token never does more than its account."),
            "label": gettext_lazy("Where it is used, such as 'Camera 1'; the list shows it."),
            "lines": gettext_lazy("None ticked: all lines of the account."),
        }
        widgets = {"lines": forms.CheckboxSelectMultiple}

    field_order = ["user", "label", "scope", "days", "lines"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField, self.fields["user"]).queryset = User.objects.filter(is_active=True)


def _check_password(form: forms.Form | forms.ModelForm, user: User) -> None:
    """Django's validators, with their words beside the field. Last, because they compare with the account's name."""
    if password := form.cleaned_data.get("password"):
        try:
            validate_password(password, user)
        except ValidationError as error:
            form.add_error("password", error)
