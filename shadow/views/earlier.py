"""The page on which an admin registers an earlier inspection system."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from inspection.refusals import BadInput, Refused
from inspection.roles import May, caller, needs
from shadow import actions
from shadow.earlier import BAR, MOST_WITHIN, WITHIN, Declaration


class DeclarationForm(forms.Form):
    """What an earlier system is declared to be. It is written once, as any version is."""

    name = forms.SlugField(
        label=gettext_lazy("Name"), max_length=60, help_text=gettext_lazy("Letters, digits, hyphens and underscores.")
    )
    about = forms.CharField(
        label=gettext_lazy("What it is"), max_length=500, required=False,
        help_text=gettext_lazy("Maker, release, place: it stands on its card."),
    )  # fmt: skip
    says = forms.ChoiceField(
        label=gettext_lazy("What it says of a part"),
        choices=[("score", gettext_lazy("a score from 0 to 1")), ("outcome", gettext_lazy("only ok or scratched"))],
        help_text=gettext_lazy("Scaled by whoever sends it. Ok and scratched count as the scores 0 and 1."),
    )
    threshold = forms.FloatField(
        label=gettext_lazy("Scratched from this score on"), min_value=0, max_value=1, initial=BAR,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )  # fmt: skip
    thresholds = forms.CharField(
        label=gettext_lazy("Thresholds to pass below, strict to loose"), required=False, max_length=500,
        help_text=gettext_lazy("As 0.05, 0.1, 0.2. Frozen now: certificates are tested in this order. Empty: the one above."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    within = forms.IntegerField(
        label=gettext_lazy("It answers within (s)"), min_value=1, max_value=MOST_WITHIN, initial=WITHIN,
        help_text=gettext_lazy("After the part has arrived here. What comes later is no answer."),
    )  # fmt: skip

    def clean_thresholds(self) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in self.cleaned_data["thresholds"].replace(",", " ").split())
        except ValueError:
            raise forms.ValidationError(_("Write scores with commas between: 0.05, 0.1, 0.2.")) from None

    def declaration(self) -> Declaration:
        """Raises BadInput for what cannot be read."""
        if not self.is_valid():
            said = ((self.fields[name].label, error) for name, errors in self.errors.items() for error in errors)
            raise BadInput(*[f"{label}: {error}" for label, error in said])
        sent = self.cleaned_data
        return Declaration(**sent | {"thresholds": sent["thresholds"] or (sent["threshold"],)})


@needs(May.SET_UP)
@require_http_methods(["GET", "POST"])
def register_earlier(request: HttpRequest) -> HttpResponse:
    """Declare an earlier inspection system; its card comes next."""
    form, refusal = DeclarationForm(request.POST or None), None
    if request.method == "POST":
        try:
            version, _new = actions.register_earlier(declaration=form.declaration(), by=caller(request))
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, _("{version} is registered. Its answers can be sent.").format(version=version))
            return redirect("model_card", version.name)
    context = {"form": form, "refusal": refusal}
    return render(request, "shadow/register_earlier.html", context, status=refusal.status if refusal else 200)
