"""The pages on which an admin sets up the factory: a list and a form for each kind of thing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inspection import actions
from inspection.forms import (
    DefectKindForm,
    LineForm,
    PasswordForm,
    SampleForm,
    SetUpForm,
    ShiftForm,
    StationForm,
    TokenForm,
    UserForm,
    VariantForm,
)
from inspection.models import ApiToken, DefectKind, Line, Sample, Shift, Station, User, Variant
from inspection.refusals import Refused
from inspection.roles import May, caller, needs


def _set_up(form: SetUpForm, by: User) -> Any:
    return actions.set_up(row=form.instance, by=by)


def _set_up_user(form: SetUpForm, by: User) -> User:
    sent = form.cleaned_data
    return actions.set_up_user(
        user=form.instance, by=by, roles=sent["roles"], lines=sent["lines"], password=sent.get("password")
    )


def _set_up_sample(form: SetUpForm, by: User) -> Any:
    return actions.add_sample(by=by, **form.cleaned_data) if form.instance.pk is None else _set_up(form, by)


def _remove(row: Any, by: User) -> None:
    actions.remove(row=row, by=by)


def _remove_sample(row: Any, by: User) -> None:
    actions.remove_sample(sample=row, by=by)


@dataclass(frozen=True)
class Section:
    """One kind of thing: its words, its form, its rows. `one` and `many` are also the names of its pages."""

    one: str
    many: str
    noun: Promise
    title: Promise
    words: Promise
    form: type[SetUpForm]
    rows: Callable[[], QuerySet]
    save: Callable[[SetUpForm, User], Any] = _set_up
    remove: Callable[[Any, User], None] = _remove

    @property
    def none_yet(self) -> str:
        return _("No {noun} yet").format(noun=self.noun)

    @property
    def add(self) -> str:
        return _("Add a {noun}").format(noun=self.noun)

    @property
    def add_first(self) -> str:
        return _("Add the first {noun}").format(noun=self.noun)

    @property
    def set_up(self) -> str:
        return _("Set up the {noun}").format(noun=self.noun)

    @property
    def list_name(self) -> str:
        return f"setup_{self.many}"

    @property
    def row_name(self) -> str:
        return f"setup_{self.one}"


def _lines() -> QuerySet:
    return Line.objects.annotate(
        station_count=Count("stations", distinct=True), shift_count=Count("shifts", distinct=True)
    )


SECTIONS = [
    Section(
        "line", "lines", gettext_lazy("line"), gettext_lazy("Lines"),
        gettext_lazy("Production lines, each with its clock and the rules of its queue."),
        LineForm, _lines,
    ),
    Section(
        "station", "stations", gettext_lazy("station"), gettext_lazy("Stations"),
        gettext_lazy("Camera-and-inspector positions on a line."),
        StationForm, lambda: Station.objects.select_related("line"),
    ),
    Section(
        "variant", "variants", gettext_lazy("variant"), gettext_lazy("Variants"),
        gettext_lazy("The phone models that are made; evidence is also read per variant."),
        VariantForm, Variant.objects.all,
    ),
    Section(
        "shift", "shifts", gettext_lazy("shift"), gettext_lazy("Shifts"),
        gettext_lazy("Spans of the working day, by the clock of their line."),
        ShiftForm, lambda: Shift.objects.select_related("line"),
    ),
    Section(
        "defect_kind", "defect_kinds", gettext_lazy("defect kind"), gettext_lazy("Defect kinds"),
        gettext_lazy("What may be marked on a photo, and whether it rejects."),
        DefectKindForm, DefectKind.objects.all,
    ),
    Section(
        "sample", "samples", gettext_lazy("sample"), gettext_lazy("Samples"),
        gettext_lazy("Photos to compare with: good parts, and limit samples that show where good ends."),
        SampleForm, lambda: Sample.objects.select_related("line", "variant"), _set_up_sample, _remove_sample,
    ),
    Section(
        "user", "users", gettext_lazy("user"), gettext_lazy("Users"),
        gettext_lazy("People and stations that sign in, their roles and their lines."),
        UserForm, lambda: User.objects.select_related("second_factor").prefetch_related("groups", "lines"), _set_up_user,
    ),
    Section(
        "token", "tokens", gettext_lazy("token"), gettext_lazy("Tokens"),
        gettext_lazy("What programs sign in by: whose, what for, and when it was last used."),
        TokenForm, lambda: ApiToken.objects.select_related("user").prefetch_related("lines"),
    ),
]  # fmt: skip
BY_NAME = {section.one: section for section in SECTIONS}


def add_section(section: Section) -> None:
    """Let an app further right set up its own things here, too. Called as it starts; harmless when repeated."""
    if section.one not in BY_NAME:
        SECTIONS.append(section)
        BY_NAME[section.one] = section


@needs(May.SET_UP)
def setup(request: HttpRequest) -> HttpResponse:
    """What is there to set up, and how much of it there is."""
    counts = [(section, section.form._meta.model.objects.count()) for section in SECTIONS]
    return render(request, "setup/setup.html", {"counts": counts, "sections": SECTIONS, "title": _("Set-up")})


@needs(May.SET_UP)
def setup_list(request: HttpRequest, section: str) -> HttpResponse:
    chosen = BY_NAME[section]
    if section == "user":
        actions.note_pseudonyms_read(by=caller(request))
    context = {
        "section": chosen, "sections": SECTIONS, "title": chosen.title, "rows": chosen.rows(),
        "new_url": reverse(f"{chosen.row_name}_new"),
    }  # fmt: skip
    return render(request, f"setup/{chosen.many}.html", context)


@needs(May.SET_UP)
def setup_row(request: HttpRequest, section: str, pk: int | None = None) -> HttpResponse:
    """Add one (without pk) or edit one."""
    chosen = BY_NAME[section]
    model = chosen.form._meta.model
    row = get_object_or_404(model, pk=pk) if pk else None
    asked = None if row else _asked(request, chosen)
    form = chosen.form(request.POST or None, request.FILES or None, instance=row, initial=asked)
    if request.method == "POST" and form.is_valid():
        try:
            saved = chosen.save(form, caller(request))
        except Refused as refusal:
            form.add_error(None, refusal.reasons)
            return _row_page(request, chosen, form, status=refusal.status)
        words = _("{name} is saved.") if row else _("{name} is set up.")
        messages.success(request, words.format(name=saved))
        return redirect(chosen.list_name)
    return _row_page(request, chosen, form, status=400 if form.errors else 200)


def _asked(request: HttpRequest, section: Section) -> dict[str, str]:
    """A new row's line, where a link names it."""
    return {"line": request.GET["of"]} if request.GET.get("of", "").isdecimal() and section.one != "user" else {}


def _row_page(
    request: HttpRequest,
    section: Section,
    form: SetUpForm,
    *,
    status: int = 200,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    row = form.instance if form.instance.pk else None
    # The form's own edits must not stand in the heading while they are refused.
    title = str(type(row).objects.get(pk=row.pk)) if row else _("New {noun}").format(noun=section.noun)
    if section.one == "user" and row and password_form is None:
        password_form = PasswordForm(row)
    remove_url = reverse(f"{section.row_name}_remove", args=[row.pk]) if row and section.one != "user" else ""
    context = {
        "section": section, "sections": SECTIONS, "form": form, "row": row, "title": title,
        "password_form": password_form, "remove_url": remove_url,
        "has_factor": section.one == "user" and row is not None and actions.has_second_factor(row),
    }  # fmt: skip
    return render(request, "setup/row.html", context, status=status)


@needs(May.SET_UP)
def setup_remove(request: HttpRequest, section: str, pk: int) -> HttpResponse:
    """Remove a row that nothing refers to; otherwise say what does."""
    chosen = BY_NAME[section]
    row = get_object_or_404(chosen.form._meta.model, pk=pk)
    if request.method != "POST":
        return redirect(chosen.row_name, pk)
    name = str(row)
    try:
        chosen.remove(row, caller(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return _row_page(request, chosen, chosen.form(instance=row), status=refusal.status)
    messages.success(request, _("{name} is removed.").format(name=name))
    return redirect(chosen.list_name)


@needs(May.SET_UP)
def setup_user_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Set a new password for somebody."""
    user = get_object_or_404(User, pk=pk)
    if request.method != "POST":
        return redirect("setup_user", pk)
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        return _row_page(request, BY_NAME["user"], UserForm(instance=user), status=400, password_form=form)
    actions.reset_password(user=user, password=form.cleaned_data["password"], by=caller(request))
    if user == caller(request):
        user.refresh_from_db()
        update_session_auth_hash(request, user)  # the one session that goes on is the one that asked
    words = _("{name} has a new password. Open sessions of {account} have ended.")
    messages.success(request, words.format(name=user, account=user.username))
    return redirect("setup_users")
