"""The key of the draws: noted when another one is in use, changed by an admin, and never a reason to draw again."""

import io
import json
import stat
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from automation import actions as automation
from automation import draws
from automation.draw_keys import LINGERS, note_draw_key, rotate_draw_key, secret_file
from automation.models import DrawKey
from inspection.models import AuditEvent, Draw
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.seals import unsealed
from shadow.models import Prediction


@pytest.fixture
def own_key(settings, tmp_path, monkeypatch, db):
    """A key in a file of the test's own, as a process finds it when it starts."""
    monkeypatch.delenv("DRAW_SECRET", raising=False)
    settings.DATA_DIR, settings.DRAW_SECRET = tmp_path, "the first key"
    secret_file().write_text(settings.DRAW_SECRET)


def start_anew(settings):
    settings.DRAW_SECRET = secret_file().read_text()


def rotate(by, **fields):
    return rotate_draw_key(**{"by": by, "reason": "the old one was in a mail", "now": timezone.now()} | fields)


def known():
    return [(row.key, row.by) for row in DrawKey.objects.all()]


def test_the_key_in_use_is_noted_once_and_again_when_it_is_another(own_key, settings):
    first = note_draw_key(now=timezone.now())
    assert note_draw_key(now=timezone.now()) is None
    settings.DRAW_SECRET = "another"
    second = note_draw_key(now=timezone.now())
    assert known() == [(draws.key_id(b"the first key"), "system"), (draws.key_id(b"another"), "system")]
    told = AuditEvent.objects.filter(action="draw_key_noted").order_by("pk")
    assert [(row.subject, row.data["key"], row.data["before"]) for row in told] == [
        (f"drawkey {first.pk}", first.key, ""), (f"drawkey {second.pk}", second.key, first.key),
    ]  # fmt: skip
    assert not unsealed().filter(action="draw_key_noted").exists()


def test_a_process_that_was_not_started_anew_is_told_of_when_it_goes_on(own_key, settings):
    """Beside those that were: or two workers would write a row in turn at every sweep."""
    now = timezone.now()
    for secret in ("the first key", "another", "the first key", "another"):
        settings.DRAW_SECRET = secret
        note_draw_key(now=now)
    assert len(known()) == 2
    settings.DRAW_SECRET = "the first key"
    note_draw_key(now=now + LINGERS - timedelta(seconds=1))
    assert len(known()) == 2
    note_draw_key(now=now + LINGERS)
    assert [key for key, _ in known()][2:] == [draws.key_id(b"the first key")]


def test_two_sweeps_at_once_note_a_key_once(at_once, settings):
    settings.DRAW_SECRET = "a key"
    assert not [
        error for error in at_once(*[lambda: note_draw_key(now=timezone.now())] * 4) if isinstance(error, Exception)
    ]
    assert len(known()) == 1


def test_a_rotation_writes_another_secret_and_says_who_and_why(own_key, settings, ada):
    row = rotate(ada)
    secret = secret_file().read_text()
    assert (len(secret), row.key, row.by) == (64, draws.key_id(secret.encode()), "ada")
    assert known() == [(draws.key_id(b"the first key"), "system"), (row.key, "ada")]
    event = AuditEvent.objects.get(action="draw_key_rotated")
    assert (event.by, event.data["key"], event.data["reason"]) == ("ada", row.key, "the old one was in a mail")
    assert event.data["before"] == draws.key_id(b"the first key")
    assert not unsealed().filter(pk=event.pk).exists()
    start_anew(settings)
    assert note_draw_key(now=timezone.now()) is None


def test_nothing_of_the_old_key_or_of_the_new_one_is_kept_beside_it(own_key, ada):
    rotate(ada)
    secret = secret_file().read_text()
    assert [path.name for path in secret_file().parent.iterdir() if path.is_file()] == ["draw_secret"]
    assert stat.S_IMODE(secret_file().stat().st_mode) == 0o600
    written = json.dumps([[row.by, row.subject, row.data] for row in AuditEvent.objects.all()]) + str(known())
    assert secret not in written
    assert "the first key" not in written


def test_a_rotation_never_draws_again(own_key, settings, ada, shadowed, version, make_part, answer):
    answer(before := make_part(), version, 0.05)
    drawn = Draw.objects.values().get(inspection=before)
    rotate(ada)
    start_anew(settings)
    automation.settle(prediction=Prediction.objects.get(inspection=before))
    automation.settle_missing(now=timezone.now())
    assert Draw.objects.values().get(inspection=before) == drawn
    answer(after := make_part(), version, 0.05)
    assert Draw.objects.get(inspection=after).key == DrawKey.objects.last().key != drawn["key"]
    assert Draw.objects.get(inspection=after).u_audit == draws.uniform(
        secret_file().read_text().encode(), "audit", after.pk
    )


def test_a_key_of_the_environment_is_changed_there(own_key, ada, monkeypatch):
    monkeypatch.setenv("DRAW_SECRET", "from outside")
    with pytest.raises(Conflict, match="comes from the environment"):
        rotate(ada)
    assert secret_file().read_text() == "the first key"
    assert not DrawKey.objects.exists()


def test_without_a_reason_nothing_is_rotated(own_key, ada):
    with pytest.raises(BadInput, match="Say why"):
        rotate(ada, reason=" ")
    assert secret_file().read_text() == "the first key"


@pytest.mark.parametrize("name", ["ivy", "sam", "otto", "cam"])
def test_only_an_admin_rotates(own_key, request, name):
    with pytest.raises(NotAllowed, match="This needs the role admin"):
        rotate(request.getfixturevalue(name))
    assert secret_file().read_text() == "the first key"


def test_the_command_names_the_new_key(own_key, ada):
    out = io.StringIO()
    call_command("rotate_draw_key", "--by", "ada", "--reason", "yearly", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["key"], answer["by"]) == (draws.key_id(secret_file().read_text().encode()), "ada")
    out = io.StringIO()
    call_command("rotate_draw_key", "--by", "ada", "--reason", "yearly", stdout=out)
    assert "started anew" in out.getvalue()


def test_the_command_knows_no_stranger(own_key):
    with pytest.raises(CommandError, match="There is no active user 'eve'"):
        call_command("rotate_draw_key", "--by", "eve", "--reason", "x")
