"""The what-if page: two sliders over a version's thresholds, and what the evidence says of every choice."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from automation import policies
from automation import what_if_words as say
from automation.forms import percent_field, to_percent
from automation.models import Policy
from automation.what_if import Asked, ask, version_for
from automation.what_if import what_if as answer_to
from automation.what_if_chart import escapes_chart, routes_band
from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Refused
from inspection.roles import May, caller, needs
from shadow.exhibits import Exhibit, exhibits
from shadow.models import ModelVersion, Prediction
from shadow.pairs import pairs_of, seen_by

GALLERY = 24  # photos of escapes


class WhatIfForm(forms.Form):
    """What the page asks about, from its URL; shares in percent as people write them."""

    pass_below = forms.FloatField(label=gettext_lazy("Pass below"), required=False)
    reject_from = forms.FloatField(label=gettext_lazy("Reject from"), required=False)
    audits = percent_field(gettext_lazy("Audit share"))
    share = percent_field(gettext_lazy("Share of parts"))
    all_strata = forms.BooleanField(required=False)

    def __init__(self, data: Any):
        super().__init__(data)
        self.fields["audits"].required = self.fields["share"].required = False

    def asked(self) -> dict[str, Any]:
        """The keyword arguments of `ask`. Raises BadInput."""
        if not self.is_valid():
            said = ((self.fields[name].label, error) for name, errors in self.errors.items() for error in errors)
            raise BadInput(*[f"{label}: {error}" for label, error in said])
        sent = self.cleaned_data
        shares = {"audit_share": sent["audits"], "share": sent["share"]}
        return {
            **{name: sent[name] for name in ("pass_below", "reject_from")},
            "certified_only": False if sent["all_strata"] else None,
            **{name: None if value is None else float(value / 100) for name, value in shares.items()},
        }


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
def what_if(request: HttpRequest, line: str) -> HttpResponse:
    """The page; with `?fragment` only what follows from the choice. Where a choice is refused the line's own stands."""
    place = find_line(line, caller(request))
    policy, named = policies.in_force(place), request.GET.get("model", "")
    version = version_for(policy, named)
    refusal: Refused | None = None
    if version is None and named:
        refusal = BadInput(_("There is no model {name}. Choose one of the list.").format(name=named))
        version = version_for(policy)
    context: dict[str, Any] = {"line": place, "version": version, "versions": _versions()}
    if version is None or not version.thresholds:
        return render(request, "automation/what_if.html", context)
    try:
        asked = ask(policy, version, **WhatIfForm(request.GET).asked())
    except BadInput as refused:
        refusal, asked = refused, ask(policy, version)
    context |= {"refusal": refusal, **_answer(place, policy, asked, caller(request))}
    template = "_what_if_fragment" if "fragment" in request.GET else "what_if"
    return render(request, f"automation/{template}.html", context, status=refusal.status if refusal else 200)


def _versions() -> list[ModelVersion]:
    return [version for version in ModelVersion.objects.defer("card") if version.thresholds]


def _answer(line: Line, policy: Policy, asked: Asked, reader: User) -> dict[str, Any]:
    """What the page shows."""
    found = answer_to(line, asked, policy, by=reader, now=timezone.now(), most=GALLERY)
    return {
        "asked": asked,
        "found": found,
        "percents": {"audits": to_percent(asked.audit_share), "share": to_percent(asked.share)},
        "bars": {"pass_below": str(asked.pass_below), "reject_from": str(asked.reject_from)},
        "state": say.state_of(found),
        "sentence": say.sentence_of(found),
        "figures": say.figures_of(found),
        "risk": say.risk_of(found),
        "limit": say.percent(found.alpha),
        "chart": escapes_chart(found.order, found.alpha, asked.pass_below),
        "order": [
            (step.threshold, _same_but(asked, step.threshold), say.step_words(step, found.known))
            for step in found.order
        ],
        "strata": [
            (
                station,
                variant,
                f"{seen.k:,} / {seen.n:,}",
                say.percent(seen.bound),
                say.stratum_words(seen, found.known, asked.pass_below),
            )
            for (station, variant), seen in found.strata
        ],
        "gates": [(gate, found.likely.get(gate.name)) for gate in found.gates],
        "days": [name for name, said in found.likely.items() if isinstance(said, date)],
        "band": routes_band(found.recent),
        "routes": say.routes_of(found.recent),
        "reasons": say.reasons_of(found.recent),
        "overdue": found.below.escapes - len(found.escaped) if len(found.escaped) < GALLERY else 0,
        "escaped": escaped_exhibits(asked.version, found.escaped, reader),
    }


def _same_but(asked: Asked, pass_below: float) -> str:
    """The page's own query with another threshold to pass below; to reject from, the same or the next that is possible."""
    fields = {
        "pass_below": pass_below, "reject_from": max(asked.reject_from, pass_below),
        "audits": to_percent(asked.audit_share), "share": to_percent(asked.share), "model": asked.version.name,
    }  # fmt: skip
    sent = {name: str(value) for name, value in fields.items()}
    return urlencode(sent | ({"all_strata": "on"} if asked.certified_only is False else {}))


def escaped_exhibits(version: ModelVersion, parts: Sequence[int], reader: User) -> list[Exhibit]:
    """The parts with their photos, in the order given."""
    pairs = seen_by(reader, pairs_of(Prediction.objects.filter(version=version, inspection__in=parts)))
    found = {exhibit.pair.inspection_id: exhibit for exhibit in exhibits(pairs)}
    return [found[part] for part in parts if part in found]
