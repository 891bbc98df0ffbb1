"""The pages of channels among the set-up pages: who is told of alarms and dispositions, and whether it arrived."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Aggregate, Count, F, Field, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from inspection.forms import SetUpForm
from inspection.models import User
from inspection.roles import May, caller, needs
from inspection.setup_views import SECTIONS, Section
from monitoring.actions import deliver_again, remove_channel, renew_secret, write_channel
from monitoring.delivering import send_test, words_of
from monitoring.forms import ChannelForm
from monitoring.models import Channel, Parcel, Sending
from monitoring.webhooks import Undelivered

PER_PAGE = 50
LATEST = 20  # messages of dispositions on a channel's page


def _rows() -> QuerySet[Channel]:
    due, failed = Q(deliveries__state=Sending.DUE), Q(deliveries__state=Sending.GIVEN_UP)
    rows = Channel.objects.select_related("line").annotate(
        notice_sent=Max("deliveries__sent_at"),
        notices_failing=Count("deliveries", filter=due & ~Q(deliveries__error="")),
        notices_given_up=Count("deliveries", filter=failed),
        parcel_sent=_of_parcels(Max("sent_at"), Q(state=Sending.SENT)),
        parcels_failing=Coalesce(_of_parcels(Count("pk"), Q(state=Sending.DUE) & ~Q(error=""), IntegerField()), 0),
        parcels_given_up=Coalesce(_of_parcels(Count("pk"), Q(state=Sending.GIVEN_UP), IntegerField()), 0),
    )
    return rows.annotate(
        # Of two moments the later one; SQLite's greatest of one and nothing is nothing.
        last_sent=Coalesce(Greatest("notice_sent", "parcel_sent"), "notice_sent", "parcel_sent"),
        failing=F("notices_failing") + F("parcels_failing"),
        given_up=F("notices_given_up") + F("parcels_given_up"),
    )


def _of_parcels(figure: Aggregate, which: Q, output: Field | None = None) -> Subquery:
    """A figure of a channel's parcels, asked apart: a second join would count each notice once for every parcel."""
    rows = Parcel.objects.filter(which, channel=OuterRef("pk")).order_by().values("channel")
    return Subquery(rows.annotate(figure=figure).values("figure"), output_field=output)


def _write(form: SetUpForm, by: User) -> Channel:
    return write_channel(channel=form.instance, by=by)


def _remove(channel: Channel, by: User) -> None:
    remove_channel(channel=channel, by=by)


CHANNELS = Section(
    "channel", "channels", gettext_lazy("channel"), gettext_lazy("Channels"),
    gettext_lazy("Who is told of alarms and of dispositions, by e-mail or webhook, and when not."),
    ChannelForm, _rows, _write, _remove,
)  # fmt: skip


@needs(May.SET_UP)
@require_safe
def channel_log(request: HttpRequest, pk: int) -> HttpResponse:
    """What a channel was told, and what did not arrive and why."""
    channel = get_object_or_404(_rows(), pk=pk)
    rows = channel.deliveries.select_related("alarm__line").order_by("-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    parcels = list(channel.parcels.order_by("-pk")[:LATEST])
    return render(request, "setup/channel_log.html", {
        "section": CHANNELS, "sections": SECTIONS, "title": channel.name, "channel": channel, "page_obj": page,
        "parcels": [(row, len(row.dispositions)) for row in parcels],
        "deliveries": [(row, words_of(row.event)) for row in page],
    })  # fmt: skip


@needs(May.SET_UP)
@require_POST
def try_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message that tells of nothing, and say whether it arrived."""
    channel = get_object_or_404(Channel, pk=pk)
    try:
        send_test(channel, now=timezone.now())
        messages.success(request, _("The test message was taken by the other side."))
    except Undelivered as trouble:
        messages.error(request, _("The test message did not arrive. {trouble}").format(trouble=trouble))
    return redirect("channel_log", pk)


@needs(May.SET_UP)
@require_POST
def retry_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Try at once what has failed."""
    number = deliver_again(channel=get_object_or_404(Channel, pk=pk), by=caller(request))
    words = ngettext("{n} message is tried again now.", "{n} messages are tried again now.", number)
    messages.success(request, words.format(n=number))
    return redirect("channel_log", pk)


@needs(May.SET_UP)
@require_POST
def renew_channel_secret(request: HttpRequest, pk: int) -> HttpResponse:
    renew_secret(channel=get_object_or_404(Channel, pk=pk), by=caller(request))
    messages.success(request, _("The channel signs with a new secret from now on. Give it to the receiver."))
    return redirect("channel_log", pk)
