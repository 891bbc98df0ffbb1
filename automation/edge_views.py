"""The forms of the card about stations that decide while the network is down: export a bundle, and end one."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from automation import actions
from automation.api_edge import must_be_named
from automation.edge_bundles import find_bundle
from automation.views import carry_out
from inspection.models import Line
from inspection.refusals import BadInput
from inspection.roles import May, caller, needs


class BundleForm(forms.Form):
    """What a bundle is asked for with; the limits are the action's."""

    station = forms.CharField(max_length=40)
    hours = forms.IntegerField(min_value=0, max_value=999)
    most = forms.IntegerField(min_value=0, max_value=999_999)


@needs(May.PROPOSE)
def export_bundle(request: HttpRequest, line: str) -> HttpResponse:
    """Give a station what it decides by while the network is down."""

    def act(line: Line) -> str:
        form = BundleForm(request.POST)
        if not form.is_valid():
            raise BadInput(_("Choose a station, and give hours and parts as whole numbers."))
        asked = form.cleaned_data
        station = must_be_named(line, asked.pop("station"))
        bundle = actions.export_bundle(line=line, station=station, by=caller(request), **asked)
        words = _("Bundle {number} is ready. {station} fetches it when it next asks the server.")
        return words.format(number=bundle.number, station=station.name)

    return carry_out(request, line, act)


@needs(May.SUPERVISE)
def end_bundle(request: HttpRequest, line: str) -> HttpResponse:
    """Let a station no longer decide by itself, from when it hears of that."""

    def act(line: Line) -> str:
        number = request.POST.get("number", "")
        bundle = find_bundle(line, int(number) if number.isdecimal() and len(number) < 10 else 0)
        actions.end_bundle(bundle=bundle, by=caller(request), reason=request.POST.get("reason", ""))
        words = _("Bundle {number} has ended. {station} hears of it when it next asks the server.")
        return words.format(number=bundle.number, station=bundle.station.name)

    return carry_out(request, line, act)
