"""What the floor's pages take from a browser, checked before any rule is asked."""

import json

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inspection.actions import MarkedDefect
from inspection.models import Outcome
from inspection.refusals import BadInput
from inspection.serializers import MarkedDefectSerializer


class LeaseForm(forms.Form):
    lease = forms.CharField(label=gettext_lazy("Lease"), max_length=43)


class ReasonForm(LeaseForm):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)


class VerdictForm(LeaseForm):
    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), choices=Outcome.choices)
    comment = forms.CharField(label=gettext_lazy("Comment"), max_length=4000, required=False)
    duration_ms = forms.IntegerField(label=gettext_lazy("Duration"), min_value=0, required=False)
    defects = forms.CharField(label="", required=False)  # its errors are whole sentences

    def clean_duration_ms(self) -> int:
        return self.cleaned_data["duration_ms"] or 0

    def clean_defects(self) -> list[MarkedDefect]:
        """The marks, drawn by script and sent as one JSON list in the API's own shape."""
        try:
            rows = json.loads(self.cleaned_data["defects"] or "[]")
        except (ValueError, RecursionError):
            raise forms.ValidationError(_("The marks cannot be read. Reload the page and mark again.")) from None
        marks = MarkedDefectSerializer(data=rows, many=True)
        if not marks.is_valid():
            raise forms.ValidationError(_("A mark is not complete. Reload the page and mark again."))
        return [MarkedDefectSerializer().create(row) for row in marks.validated_data]


class CorrectionForm(forms.Form):
    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), choices=Outcome.choices)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, required=False)


class CauseForm(forms.Form):
    cause = forms.CharField(label=gettext_lazy("Cause"), max_length=500)


def checked(form: forms.Form) -> dict:
    """The form's values. Raises BadInput with what is wrong, field by field."""
    if not form.is_valid():
        wrong = [(form.fields[name].label, error) for name, errors in form.errors.items() for error in errors]
        raise BadInput(*(f"{label}: {error}" if label else str(error) for label, error in wrong))
    return form.cleaned_data
