"""What the frame around every page shows: the line and its state, where the role may go, who is in."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from automation.models import LEVELS, Halt
from automation.policies import halt_of, level_of
from inspection.actions.halting import halts_asked
from inspection.models import HaltRequest, Line
from inspection.prepared import Given, Prepared
from inspection.roles import May, may, roles_of
from monitoring.models import Alarm, Severity

PRODUCT = "Shadowline"
THEMES = ("light", "dark")

# (label, URL name, what it takes), the most used first: those that do not fit into the bar stand behind "More". A page
# that takes a line is reached under the line chosen; one that this installation does not serve is left out.
PAGES = (
    (gettext_lazy("Overview"), "home", May.READ_EVIDENCE),
    (gettext_lazy("Inspect"), "inspect", May.JUDGE),
    (gettext_lazy("Queue"), "queue", May.SUPERVISE),
    (gettext_lazy("Agreement"), "agreement_report", May.READ_EVIDENCE),
    (gettext_lazy("Discrepancies"), "discrepancies", May.READ_EVIDENCE),
    (gettext_lazy("Automation"), "line_automation", May.READ_EVIDENCE),
    (pgettext_lazy("page", "Watch"), "watch_line", May.READ_EVIDENCE),
    (gettext_lazy("Alarms"), "alarms", May.READ_EVIDENCE),
    (gettext_lazy("Inspectors"), "inspectors", May.READ_EVIDENCE),
    (gettext_lazy("Parts"), "parts", May.JUDGE),
    (gettext_lazy("Containment"), "containments", May.SUPERVISE),
    (gettext_lazy("Models"), "models", May.READ_EVIDENCE),
    (gettext_lazy("Audit trail"), "audit_trail_page", May.READ_EVIDENCE),
    (gettext_lazy("Set-up"), "setup", May.SET_UP),
)
IN_BAR = 8
ROOM = {"inspect", "verdict", "verdict_change"}  # the pages of the inspector's room


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    active: bool


@dataclass(frozen=True)
class LineChoice:
    line: Line
    url: str


def line_state(line: Line) -> dict:
    """The line's state: `level`, one `word`, its `shape`, and whether it is an `alert` that colours the whole bar.

    A halted line also says the `reason`.
    """
    words = str(dict(LEVELS)[level_of(line)])
    if halt := halt_of(line):
        return {"level": words, **_halted(halt), "reason": halt.reason}
    alarms = [severity for (severity,) in _OPEN_ALARMS(line=line.pk)]
    critical = sum(severity == Severity.CRITICAL for severity in alarms)
    if critical:
        word = ngettext("{n} critical alarm", "{n} critical alarms", critical).format(n=critical)
        return {"level": words, "word": word, "shape": "alarm", "alert": True}
    sure = sum(severity == Severity.ALARM for severity in alarms)
    if sure:
        word = ngettext("{n} alarm", "{n} alarms", sure).format(n=sure)
        return {"level": words, "word": word, "shape": "alarm", "alert": False}
    if alarms:
        word = ngettext("{n} warning", "{n} warnings", len(alarms)).format(n=len(alarms))
        return {"level": words, "word": word, "shape": "warning", "alert": False}
    return {"level": words, "word": _("quiet"), "shape": "quiet", "alert": False}


_OPEN_ALARMS = Prepared(lambda: Alarm.objects.open().filter(line=Given("line")).order_by().values_list("severity"))
_LINES = Prepared(lambda: Line.objects.for_user(Given("user")))


def floor_state(line: Line) -> dict:
    """What an inspector may know of it: running or halted, and nothing of levels or alarms."""
    if halt := halt_of(line):
        return _halted(halt)
    return {"word": _("running"), "shape": "quiet", "alert": False}


def _halted(halt: Halt) -> dict:
    return {"word": _("halted") if halt.line_id else _("factory halted"), "shape": "halt", "alert": True}


def url_of(name: str, line: Line | None) -> str | None:
    """The page's address, under the line when it takes one; None when this installation does not serve it."""
    arguments = [{"line": line.slug}] if line else []
    for kwargs in [*arguments, {}]:
        try:
            return reverse(name, kwargs=kwargs)
        except NoReverseMatch:
            continue
    return None


class Frame:
    """Each answer is asked for once, and only when a page shows it; a stranger's frame asks the database nothing."""

    product = PRODUCT

    def __init__(self, request: HttpRequest):
        self.request = request
        self.user = getattr(request, "user", None)
        match = getattr(request, "resolver_match", None)
        self.page = match.url_name if match else None
        self.line_in_path = match.kwargs.get("line") if match else None

    @property
    def as_of(self) -> datetime | None:
        """Of when the page's figures are, where they come from a replica."""
        return getattr(self.request, "as_of", None)

    @property
    def theme(self) -> str:
        """What the person chose with the switch; the inspector's room has a choice of its own, dark by default."""
        room = self.page in ROOM and (self.page != "inspect" or self.line_in_path)
        chosen = self.request.COOKIES.get("theme_room" if room else "theme", "")
        return chosen if chosen in THEMES else ("dark" if room else "")

    @cached_property
    def signed_in(self) -> bool:
        return bool(self.user and self.user.is_authenticated)

    @cached_property
    def roles(self) -> list[str]:
        return sorted(roles_of(self.user)) if self.signed_in else []

    @property
    def judges(self) -> bool:
        """Whether a scanned serial may open here, and the person has keys and a shift of their own."""
        return self.signed_in and may(self.user, May.JUDGE)

    @property
    def role_words(self) -> str:
        return get_text_list([_(role) for role in self.roles], _("and"))

    @cached_property
    def lines(self) -> list[Line]:
        return _LINES(user=self.user.pk) if self.user and self.signed_in else []

    @cached_property
    def line(self) -> Line | None:
        """The line chosen: by the path, by `?line=`, or the one chosen last in this session."""
        by_slug = {line.slug: line for line in self.lines}
        named = str(self.line_in_path or self.request.GET.get("line") or "")
        if named in by_slug and self.request.session.get("line") != named:
            self.request.session["line"] = named
        return by_slug.get(named or self.request.session.get("line", "")) or next(iter(self.lines), None)

    @cached_property
    def line_choices(self) -> list[LineChoice]:
        return [LineChoice(line, self._here_with(line)) for line in self.lines]

    def _here_with(self, line: Line) -> str:
        """This page on another line: in its path where it stands there, else as `?line=` beside the filter."""
        match = self.request.resolver_match
        if self.line_in_path and match and match.url_name:
            try:
                return reverse(match.url_name, kwargs={**match.kwargs, "line": line.slug})
            except NoReverseMatch:
                pass
        query = {**self.request.GET.dict(), "line": line.slug}
        query.pop("page", None)
        return f"?{urlencode(query)}"

    @cached_property
    def state(self) -> dict | None:
        if not self.line:
            return None
        return line_state(self.line) if may(self.user, May.READ_EVIDENCE) else floor_state(self.line)

    @cached_property
    def halts_asked(self) -> list[tuple[HaltRequest, str]]:
        """What inspectors ask to halt on the person's lines, with who asks; a line that is halted already is left out."""
        if self.user is None or not (self.signed_in and may(self.user, May.SUPERVISE)):
            return []
        return [(asked, name) for asked, name in halts_asked(self.user, self.lines) if halt_of(asked.line) is None]

    @cached_property
    def pages(self) -> list[Entry]:
        if not self.signed_in:
            return []
        allowed = [(label, name, url_of(name, self.line)) for label, name, what in PAGES if may(self.user, what)]
        return [Entry(str(label), url, self._stands_in(name, url)) for label, name, url in allowed if url]

    def _stands_in(self, name: str, url: str) -> bool:
        """Whether the page shown is that one, or one below it."""
        below = url != "/" and self.request.path.startswith(url)
        return below or name == self.page or (name == "inspect" and self.page in ROOM)

    @property
    def nav(self) -> list[Entry]:
        return self.pages[:IN_BAR]

    @property
    def more(self) -> list[Entry]:
        return self.pages[IN_BAR:]

    @property
    def more_here(self) -> Entry | None:
        """The page behind "More" that is shown now: its name then stands in the bar."""
        return next((entry for entry in self.more if entry.active), None)


def frame(request: HttpRequest) -> dict:
    """The context processor."""
    return {"frame": Frame(request)}
