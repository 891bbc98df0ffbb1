"""What people tell the watch: that something was changed on purpose, and how a line is to be watched."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inspection.models import Line
from monitoring.figures import FIGURES, LIMITED, STAGE_WORDS, STAGES, Figure, Group, Kind
from monitoring.models import WatchPolicy

WHOLE = "line"
WATCHED = tuple(figure for figure in FIGURES if figure.kind != Kind.LOAD or figure.limit is not None)
LEAST, MOST = 1_000, 1_000_000_000  # parts to a false alarm

# Of what may have been changed on purpose, by what tells of it.
CHANGED = (
    ("", gettext_lazy("Everything there")),
    (Group.INPUT.value, gettext_lazy("The photos: lamp, camera, glass, position")),
    (Group.OUTPUT.value, gettext_lazy("The answers: another mix of parts, another threshold")),
    (Group.AGREEMENT.value, gettext_lazy("The rule of what is scratched")),
    (Group.SOFTWARE.value, gettext_lazy("The server")),
)


class LearnForm(forms.Form):
    """A named event after which the usual is learned again, at one station or, said so, the whole line."""

    reason = forms.CharField(label=gettext_lazy("What was changed"), max_length=300)
    station = forms.ChoiceField(label=gettext_lazy("Where"))
    group = forms.ChoiceField(label=gettext_lazy("What it may have moved"), choices=CHANGED, required=False)

    def __init__(self, *args: Any, line: Line, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.stations = {str(station.pk): station for station in line.stations.all()}
        places = [(pk, station.name) for pk, station in self.stations.items()]
        whole = (WHOLE, _("Whole line: every station") if len(places) > 1 else _("Whole line"))
        first = [("", _("Choose where"))] if len(places) > 1 else []  # nobody forgets a station's whole past by default
        self.fields["station"].choices = [*first, *places, whole] if first else [whole, *places]  # type: ignore[attr-defined]
        self.fields["reason"].widget.attrs["placeholder"] = _("new lamp at station 2")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("group") and not self._names(cleaned):
            raise forms.ValidationError(_("These figures are of the whole line: choose no station."))
        return cleaned

    def event(self) -> dict[str, Any]:
        """What `relearn` takes: no figures means all of them."""
        asked = self.cleaned_data
        names = self._names(asked) if asked["group"] else ()
        return {"station": self.stations.get(asked["station"]), "figures": names, "reason": asked["reason"]}

    def _names(self, asked: dict[str, Any]) -> tuple[str, ...]:
        of_group = [figure for figure in WATCHED if figure.group == asked["group"]]
        return tuple(figure.name for figure in of_group if figure.by_station or asked.get("station") == WHOLE)


@dataclass(frozen=True)
class FigureRow:
    """A figure in the table of the policy."""

    figure: Figure
    stage: str
    watched: bool
    critical: bool
    limit: forms.BoundField | None  # of a load

    @property
    def lacks_limit(self) -> bool:
        """Whether it can raise no alarm, watched or not: a load of which nobody has said how much is too much."""
        return self.limit is not None and self.limit.value() in (None, "") and self.figure.limit == inf


class WatchPolicyForm(forms.Form):
    """How rarely the line may raise a false alarm, and which figures raise one at all."""

    alarm_every = forms.IntegerField(
        label=gettext_lazy("One false alarm in so many parts"), min_value=LEAST, max_value=MOST,
        help_text=gettext_lazy("For the whole line, all its figures together. More parts: fewer false alarms, later true ones."),
    )  # fmt: skip
    warn_every = forms.IntegerField(
        label=gettext_lazy("One false warning in so many parts"), min_value=LEAST, max_value=MOST,
        help_text=gettext_lazy("A warning comes earlier and lowers nothing."),
    )  # fmt: skip
    by_shift = forms.BooleanField(
        label=gettext_lazy("Day and night have a usual of their own"), required=False,
        help_text=gettext_lazy("For lines where daylight or people differ by shift. Each shift has to be learned."),
    )  # fmt: skip
    watched = forms.MultipleChoiceField(choices=[(figure.name, figure.label) for figure in WATCHED], required=False)
    critical = forms.MultipleChoiceField(choices=[(figure.name, figure.label) for figure in WATCHED], required=False)
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=500)

    def __init__(self, *args: Any, policy: WatchPolicy, **kwargs: Any):
        self.watched_now = [figure.name for figure in WATCHED if _raises(figure, policy)]
        kwargs["initial"] = {
            "alarm_every": policy.alarm_every, "warn_every": policy.warn_every, "by_shift": policy.by_shift,
            "watched": self.watched_now, "critical": list(policy.critical),
        }  # fmt: skip
        super().__init__(*args, **kwargs)
        for figure in LIMITED:
            self.fields[_limit(figure)] = _limit_field(figure, policy)

    def rows(self) -> list[FigureRow]:
        """The figures along a part's way, as they stand in the form."""
        watched, critical = set(self["watched"].value()), set(self["critical"].value())
        return [
            FigureRow(
                figure, str(STAGE_WORDS[figure.stage]), figure.name in watched, figure.name in critical,
                self[_limit(figure)] if figure in LIMITED else None,
            )
            for figure in sorted(WATCHED, key=lambda figure: STAGES.index(figure.stage))
        ]  # fmt: skip

    def table(self) -> list[forms.BoundField]:
        """The two columns of checks: their errors stand above the table."""
        return [self["watched"], self["critical"]]

    def limits(self) -> list[forms.BoundField]:
        """The limits of the loads: so do theirs."""
        return [self[_limit(figure)] for figure in LIMITED]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        warning, alarm = given.get("warn_every"), given.get("alarm_every")
        if warning and alarm and warning > alarm:
            self.add_error("warn_every", _("A warning has to come at least as often as an alarm."))
        silent = set(given.get("critical", ())) - set(given.get("watched", ()))
        if silent:
            self.add_error("critical", _("A figure that raises no alarm cannot be critical."))
        return given

    def changes(self) -> dict[str, Any]:
        """The fields of the next policy."""
        given = self.cleaned_data
        watched = set(given["watched"])
        return {
            "alarm_every": given["alarm_every"], "warn_every": given["warn_every"], "by_shift": given["by_shift"],
            "unwatched": [figure.name for figure in WATCHED if figure.name not in watched],
            "critical": [figure.name for figure in WATCHED if figure.name in given["critical"]],
            "limits": {
                figure.name: limit for figure in LIMITED if (limit := given[_limit(figure)]) not in (None, figure.limit)
            },
            "reason": given["reason"],
        }  # fmt: skip


def _limit(figure: Figure) -> str:
    """The name of a load's field."""
    return f"limit_{figure.name}"


def _limit_field(figure: Figure, policy: WatchPolicy) -> forms.FloatField:
    """Empty: as it comes, which for some loads is no limit."""
    field = forms.FloatField(label=str(figure.label), required=False, min_value=0, initial=policy.limit_of(figure))
    field.widget.attrs |= {
        "step": "any", "aria-label": _("Limit of {figure}").format(figure=figure.label),
        "placeholder": f"{figure.limit:g}" if figure.limit is not None and isfinite(figure.limit) else _("none"),
    }  # fmt: skip
    return field


def _raises(figure: Figure, policy: WatchPolicy) -> bool:
    return figure.watched and figure.name not in policy.unwatched
