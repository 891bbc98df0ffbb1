"""Parts shown again: references, repeats and second looks, how they are mixed in, who may judge them, how they end."""

import math
import random
import re
from collections import Counter
from datetime import timedelta
from itertools import islice

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection import actions, seeds, tasks
from inspection.actions import seeding
from inspection.models import (
    AuditEvent,
    Containment,
    Inspection,
    Lease,
    Line,
    Origin,
    Purpose,
    Reference,
    SeededPart,
    Study,
    Verdict,
)
from inspection.moves import State
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role
from inspection.seeds import Candidate, pick, serials_in_turn, serials_like
from inspection.shown_again import second_looks
from tests.conftest import make_person

pytestmark = pytest.mark.django_db


def soon(seconds=10.0):
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def judged(line, make_part, ian):
    """A live part that ian has judged: `judged("ok")`."""

    def make(outcome="ok", **fields) -> Inspection:
        part = make_part(**fields)
        lease = actions.claim(line=part.line, by=ian, serial=part.serial)
        actions.record_verdict(inspection=part, by=ian, lease=lease.token, outcome=outcome)
        part.refresh_from_db()
        return part

    return make


@pytest.fixture
def kept(judged, sam):
    """A reference that sam keeps: `kept("scratched")`."""

    def make(truth="ok", **fields) -> Reference:
        part = judged(truth, **fields)
        return actions.keep_reference(inspection=part, truth=truth, reason="measured", by=sam)

    return make


@pytest.fixture
def seeding_line(line):
    """Line A with every live part followed by a reference."""
    line.seed_percent = 100
    line.save()
    return line


@pytest.fixture
def mixed(seeding_line, kept, make_part):
    """A reference, mixed in after a live part: `mixed("scratched")` is the seeded inspection."""

    def make(truth="ok", **fields) -> Inspection:
        kept(truth, **fields)
        Line.objects.update(seeded_to=Inspection.objects.latest("pk").pk)
        plain = make_part(**fields)
        assert actions.mix_seeds(now=soon()) == 1
        Inspection.objects.filter(pk=plain.pk).update(state="closed")  # the seed alone is waiting
        return Inspection.objects.get(origin=Origin.SEEDED, seeded__purpose="reference", state="waiting")

    return make


def answer(part, by, outcome, **fields):
    lease = actions.claim(line=part.line, by=by)
    assert lease is not None
    assert lease.inspection_id == part.pk
    return actions.record_verdict(inspection=part, by=by, lease=lease.token, outcome=outcome, **fields)


# ---- references


def test_a_judged_part_is_kept_as_a_reference(judged, sam):
    part = judged("scratched")
    reference = actions.keep_reference(inspection=part, truth="scratched", reason="3D profile", by=sam)
    assert (reference.inspection, reference.truth, reference.by) == (part, "scratched", sam)
    event = AuditEvent.objects.get(action="reference_kept")
    assert (event.by, event.line, event.data) == ("sam", "line-a", {"truth": "scratched", "reason": "3D profile"})


def test_the_same_truth_again_is_harmless_and_the_other_one_is_refused(kept, sam):
    reference = kept("ok")
    again = actions.keep_reference(inspection=reference.inspection, truth="ok", reason="again", by=sam)
    assert (again.pk, again.reason) == (reference.pk, "measured")
    with pytest.raises(Conflict, match="is kept as ok"):
        actions.keep_reference(inspection=reference.inspection, truth="scratched", reason="looked again", by=sam)


def test_a_retired_reference_may_be_kept_again_otherwise(kept, sam, ada):
    reference = actions.retire_reference(reference=kept("ok"), by=sam)
    assert (reference.retired_by, reference.retired_at is None) == (sam, False)
    retired_at = actions.retire_reference(reference=reference, by=ada).retired_at
    assert retired_at == reference.retired_at, "a second call is harmless"
    again = actions.keep_reference(inspection=reference.inspection, truth="scratched", reason="3D profile", by=ada)
    assert (again.pk, again.truth, again.by, again.retired_at) == (reference.pk, "scratched", ada, None)
    told = AuditEvent.objects.filter(action__startswith="reference").values_list("action", flat=True)
    assert list(told) == ["reference_kept", "reference_retired", "reference_kept"]


@pytest.mark.parametrize(("truth", "reason"), [("unsure", "why"), ("", "why"), ("ok", ""), ("ok", "  ")])
def test_a_reference_has_a_truth_and_a_reason(judged, sam, truth, reason):
    with pytest.raises(BadInput):
        actions.keep_reference(inspection=judged(), truth=truth, reason=reason, by=sam)


def test_only_overseers_of_the_line_keep_and_retire(kept, judged, ivy, otto):
    reference, part = kept(), judged()
    away = make_person("away", Role.SUPERVISOR)
    away.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for person in (ivy, otto, away):
        with pytest.raises(NotAllowed):
            actions.keep_reference(inspection=part, truth="ok", reason="why", by=person)
        with pytest.raises(NotAllowed):
            actions.retire_reference(reference=reference, by=person)


def test_what_may_not_be_a_reference(make_part, mixed, judged, sam):
    with pytest.raises(Conflict, match="is not judged yet"):
        actions.keep_reference(inspection=make_part(), truth="ok", reason="why", by=sam)
    Inspection.objects.filter(state="waiting").update(state="closed")
    seed = mixed()
    with pytest.raises(Conflict, match="is itself shown again"):
        actions.keep_reference(inspection=seed, truth="ok", reason="why", by=sam)
    shown = judged(serial="Z1")
    actions.add_sample(line=shown.line, meaning="good", photo=shown.photos.get(), by=sam)
    with pytest.raises(Conflict, match="is among the samples"):
        actions.keep_reference(inspection=shown, truth="ok", reason="why", by=sam)


def test_a_reference_is_no_sample(kept, sam):
    """Inspectors would know its photo."""
    reference = kept()
    with pytest.raises(Conflict, match="is a reference"):
        actions.add_sample(
            line=reference.inspection.line, meaning="good", photo=reference.inspection.photos.get(), by=sam
        )


# ---- which one, and how it looks


def test_of_both_truths_half_are_shown_whatever_the_pool_holds():
    pool = [Candidate(1, "scratched", 0)] + [Candidate(n, "ok", 0) for n in range(2, 50)]
    chance = random.Random(1)
    assert 0.45 < Counter(pick(pool, chance).truth for _ in range(2000))["scratched"] / 2000 < 0.55
    assert pick([Candidate(1, "ok", 3)], chance) == Candidate(1, "ok", 3)
    assert pick([], chance) is None


def test_those_shown_least_often_come_first_at_random_among_equals():
    pool = [Candidate(1, "ok", 2), Candidate(2, "ok", 1), Candidate(3, "ok", 1)]
    shown = Counter(pick(pool, random.Random(seed)).source for seed in range(200))
    assert set(shown) == {2, 3}
    assert min(shown.values()) > 60


SIGNS = st.text("ABCxyz019-_ é", min_size=1, max_size=8)


def pattern_of(serial: str) -> str:
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "0", serial)))


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(SIGNS, min_size=1, max_size=6), st.integers(0, 99))
def test_serials_have_the_shape_of_the_newest(recent, seed):
    can = any(sign.isascii() and sign.isalnum() for sign in recent[0])
    serials = list(islice(serials_like(recent, random.Random(seed)), seeds.TRIES * (len(recent[0]) + 2)))
    assert {pattern_of(serial) for serial in serials[: seeds.TRIES * can]} <= {pattern_of(recent[0])}
    assert len(set(serials)) > 5, "there is always one more, if need be a longer one"


def test_serials_vary_where_the_lines_do_and_hexadecimal_ones_stay_so():
    chance = random.Random(4)
    serials = list(islice(serials_like(["SN00123", "SN00122", "SN00099"], chance), seeds.TRIES))
    assert all(re.fullmatch(r"SN00\d\d\d", serial) for serial in serials)
    serials = list(islice(serials_like(["3F9A", "A1B2", "77C0"], chance), seeds.TRIES))
    assert all(re.fullmatch(r"\d[A-F]\d[A-F]", serial) for serial in serials)


RUNS = st.lists(st.integers(1, 3), min_size=12, max_size=30)  # how far each number is from the one before


@given(RUNS, st.integers(0, 10**6), st.sampled_from([1, 10]), st.integers(0, 99))
def test_on_a_line_that_counts_its_parts_the_next_numbers_are_drawn(gaps, first, step, seed):
    numbers = [first + step * sum(gaps[:count]) for count in range(len(gaps))]
    recent = [f"SN-{number:05d}B" for number in reversed(numbers)]
    serials = list(islice(serials_in_turn(recent[0], [*recent, "X", "SN-7C"], random.Random(seed)), 2 * seeds.TRIES))
    drawn = [int(serial.removeprefix("SN-").removesuffix("B")) - numbers[-1] for serial in serials]
    assert all(len(serial) >= len("SN-00001B") for serial in serials)
    common = math.gcd(*[gap * step for gap in gaps[-12:-1]])
    assert sorted(drawn[: seeds.TRIES]) == [common * ahead for ahead in range(1, 41)]
    assert sorted(drawn[seeds.TRIES :]) == [common * ahead for ahead in range(41, 81)]


@pytest.mark.parametrize(
    "recent",
    [
        ["SN102", "SN101", "SN100"],  # too few to tell
        ["SN100", "SN101", "SN102", "SN103"],  # they fall
        ["SN831", "SN007", "SN544", "SN120", "SN902", "SN333"],
        ["A", "B", "C", "D"],
        ["SN7", "SN7", "SN7", "SN7"],
        ["9" * 120, "9" * 119 + "8", "9" * 119 + "7", "9" * 119 + "6"],  # no longer serial is kept
    ],
)
def test_elsewhere_no_number_is_next(recent):
    assert not list(serials_in_turn(recent[0], recent, random.Random(1)))


def test_two_cameras_that_swap_some_parts_do_not_hide_that_the_line_counts():
    recent = [f"P{number}" for number in (110, 111, 108, 109, 106, 107, 104, 105)]
    assert {int(serial[1:]) for serial in islice(serials_in_turn("P110", recent, random.Random(1)), 40)} == set(
        range(111, 151)
    )


def test_a_seeded_serial_is_one_of_the_next_numbers_that_nobody_has_had(seeding_line, kept, make_part):
    """Also where the numbers of other variants go on between, and with other seeds waiting."""
    kept("ok", serial="SN0957", variant="P1")
    for number in range(958, 1010):
        make_part(f"SN{number:04d}", variant="P1" if number % 2 else "P2")
    for number in range(1011, 1048):
        Inspection.objects.create(
            line=Line.objects.get_or_create(slug="line-b", name="Line B")[0], serial=f"SN{number:04d}",
            captured_at=soon(), hold_until=soon(), state="closed", origin=Origin.SEEDED,
        )  # fmt: skip
    actions.mix_seeds(now=soon())
    assert SeededPart.objects.get().inspection.serial in {"SN1010", "SN1048", "SN1049"}


def test_a_serial_that_was_ever_used_is_not_taken(seeding_line, kept, make_part):
    kept(serial="P1")
    for number in (0, 2, 3, 4, 5, 6, 8, 9):
        Inspection.objects.create(
            line=Line.objects.get_or_create(slug="line-b", name="Line B")[0], serial=f"P{number}",
            captured_at=soon(), hold_until=soon(), state="closed", origin=Origin.IMPORTED,
        )  # fmt: skip
    actions.mix_seeds(now=soon())
    assert SeededPart.objects.get().inspection.serial == "P7"


def test_a_seeded_part_is_written_as_one_that_has_just_come(seeding_line, kept, make_part, station):
    now = timezone.now()
    source = kept("scratched", serial="OLD-1", photos=2, station="cam-1", variant="P1", lot="L1").inspection
    Inspection.objects.filter(pk=source.pk).update(received_at=now - timedelta(days=3))
    Line.objects.update(seeded_to=source.pk)
    like = make_part("N2-0001", station="cam-1", variant="P1", lot="L9", captured_at=now - timedelta(seconds=2))
    make_part("X", lot="L10")
    assert actions.mix_seeds(now=soon()) == 1, "the second finds the only reference in the queue already"
    seeded = SeededPart.objects.get()
    part = seeded.inspection
    assert (seeded.source, seeded.purpose, seeded.truth, seeded.by) == (source, "reference", "scratched", "system")
    assert (part.origin, part.state, part.line) == ("seeded", "waiting", source.line)
    assert (part.station, part.variant, part.lot) == (station, source.variant, "L9")
    assert re.fullmatch(r"N2-000\d", part.serial)
    assert part.serial != like.serial
    assert part.received_at - part.captured_at == like.received_at - like.captured_at
    assert part.received_by is None
    mine, theirs = list(part.photos.all()), list(source.photos.all())
    assert [photo.stored for photo in mine] == [photo.stored for photo in theirs]
    assert [(photo.position, photo.view, photo.width, photo.size) for photo in mine] == [
        (photo.position, photo.view, photo.width, photo.size) for photo in theirs
    ]
    assert not {photo.sha256 for photo in mine} & {photo.sha256 for photo in theirs}
    event = AuditEvent.objects.get(action="part_seeded")
    assert (event.by, event.subject, event.data) == (
        "system", f"inspection {part.pk}", {"purpose": "reference", "source": source.pk}
    )  # fmt: skip


@pytest.mark.parametrize("share", ["seed_percent", "repeat_percent"])
def test_nothing_is_shown_that_the_line_does_not_make_now(line, kept, make_part, monkeypatch, share):
    """Neither a variant that is gone nor one at another station than it has now."""
    monkeypatch.setattr("inspection.actions.disguise.RECENT", 3)
    Line.objects.update(**{share: 100})
    line.stations.create(slug="cam-1", name="Camera 1"), line.stations.create(slug="cam-2", name="Camera 2")
    kept(station="cam-1", variant="P1"), kept(station="cam-1", variant="P2"), kept(station="cam-2", variant="P2")
    aged_at = timezone.now() - timedelta(hours=2)
    Inspection.objects.update(received_at=aged_at, state_since=aged_at)
    Line.objects.update(seeded_to=Inspection.objects.latest("pk").pk)
    for _ in range(3):
        make_part(station="cam-2", variant="P1")
    assert actions.mix_seeds(now=soon()) == 0
    make_part(station="cam-2", variant="P2")
    assert actions.mix_seeds(now=soon()) == 1
    make_part(station="cam-1", variant="P1")
    assert actions.mix_seeds(now=soon()) == 1
    pairs = Inspection.objects.filter(origin=Origin.SEEDED).values_list("station__slug", "variant__name")
    assert sorted(pairs) == [("cam-1", "P1"), ("cam-2", "P2")]


def test_a_lot_is_one_of_the_parts_own_variant(line, station, judged, make_part, sam):
    """A second look may be asked for at any part: at a variant from another station, or at one that is gone."""
    elsewhere = judged(serial="A", variant="P1", lot="L1", station="cam-1")
    gone = judged(serial="B", variant="P3", lot="L3")
    Inspection.objects.filter(pk=gone.pk).update(origin=Origin.IMPORTED)
    make_part(variant="P1", lot="L7")
    make_part(variant="P2", lot="L9")
    Inspection.objects.filter(pk=elsewhere.pk).update(origin=Origin.IMPORTED)
    looks = [actions.ask_second_look(inspection=part, by=sam).inspection for part in (elsewhere, gone)]
    assert [(look.variant.name, look.lot) for look in looks] == [("P1", "L7"), ("P3", "L3")]


# ---- mixing in


def test_nothing_is_mixed_in_where_nobody_asked_for_it(line, kept, make_part):
    kept(), make_part()
    assert actions.mix_seeds(now=soon()) == 0


def test_without_references_nothing_is_mixed_in(seeding_line, kept, make_part, sam):
    make_part()
    assert actions.mix_seeds(now=soon()) == 0
    actions.retire_reference(reference=kept(), by=sam)
    assert actions.mix_seeds(now=soon()) == 0


def test_each_live_part_is_drawn_for_once(seeding_line, kept, make_part):
    for _ in range(4):
        kept()
    assert actions.mix_seeds(now=soon()) == 4
    assert actions.mix_seeds(now=soon()) == 0
    make_part(origin=Origin.IMPORTED), make_part(origin=Origin.SEEDED)
    assert actions.mix_seeds(now=soon()) == 0


def test_a_part_is_drawn_for_when_those_before_it_must_have_committed(seeding_line, kept, make_part):
    """Rows commit out of the order of their keys: nothing is drawn behind one that may not be alone yet."""
    kept(), kept(), kept()
    first, second, third = Inspection.objects.order_by("pk")
    now = third.received_at
    Inspection.objects.filter(pk=first.pk).update(received_at=now - timedelta(seconds=6))
    Inspection.objects.filter(pk=second.pk).update(received_at=now - timedelta(seconds=4))
    Inspection.objects.filter(pk=third.pk).update(received_at=now - timedelta(seconds=8))
    assert actions.mix_seeds(now=now) == 1
    assert Line.objects.get().seeded_to == first.pk
    assert actions.mix_seeds(now=now + timedelta(seconds=2)) == 2


def test_a_worker_that_was_down_does_not_make_up_for_hours(seeding_line, kept, make_part):
    kept()
    assert actions.mix_seeds(now=soon(3600)) == 0


def test_they_do_not_pile_up(seeding_line, kept, make_part, monkeypatch):
    monkeypatch.setattr(seeding, "MOST_WAITING", 3)
    for _ in range(5):
        kept()
    assert actions.mix_seeds(now=soon()) == 3
    make_part()
    assert actions.mix_seeds(now=soon()) == 0
    Inspection.objects.filter(origin=Origin.SEEDED).update(state="decided")
    make_part()
    assert actions.mix_seeds(now=soon()) == 1


def test_the_share_is_what_the_line_says(line, kept, ian):
    """5,000 live parts at 3 % references and 2 % repeats: each within four standard deviations."""
    for _ in range(3):
        kept("ok"), kept("scratched")
    long_ago = timezone.now() - timedelta(days=1)
    to_repeat = Inspection.objects.bulk_create(
        Inspection(line=line, serial=f"R{n}", captured_at=long_ago, hold_until=long_ago, state="decided")
        for n in range(300)
    )
    Verdict.objects.bulk_create(Verdict(inspection=part, inspector=ian, outcome="ok") for part in to_repeat)
    Inspection.objects.update(received_at=long_ago, state_since=long_ago)
    line.seed_percent, line.repeat_percent = 3, 2
    line.save()
    seeding_now = timezone.now()
    for batch in range(50):
        at = seeding_now - timedelta(seconds=10)
        Inspection.objects.bulk_create(
            Inspection(line=line, serial=f"M{batch}-{n}", captured_at=at, received_at=at, hold_until=at, state="closed")
            for n in range(100)
        )
        actions.mix_seeds(now=seeding_now)
        Inspection.objects.filter(origin=Origin.SEEDED).update(state="decided")
    shown = Counter(SeededPart.objects.values_list("purpose", flat=True))
    assert abs(shown["reference"] - 150) <= 4 * math.sqrt(5000 * 0.03 * 0.97)
    assert abs(shown["repeat"] - 100) <= 4 * math.sqrt(5000 * 0.02 * 0.98)
    truths = Counter(SeededPart.objects.filter(purpose="reference").values_list("truth", flat=True))
    assert abs(truths["ok"] - shown["reference"] / 2) <= 4 * math.sqrt(shown["reference"] / 4)


def test_a_draw_takes_the_share_it_is_told():
    chance = random.Random(9)
    for percent in (0.5, 2, 20):
        count = sum(seeds.drawn(percent, chance.random()) for _ in range(5000))
        share = percent / 100
        assert abs(count - 5000 * share) <= 4 * math.sqrt(5000 * share * (1 - share))


def test_two_workers_at_once_draw_once(at_once, line, make_part, judge, ian, sam):
    for number in range(6):
        judge(part := make_part(), ian, "ok")
        part.refresh_from_db()
        actions.keep_reference(inspection=part, truth="ok" if number % 2 else "scratched", reason="why", by=sam)
    Line.objects.update(seed_percent=100)
    mixed = at_once(*[lambda: actions.mix_seeds(now=soon())] * 3)
    assert sorted(mixed) == [0, 0, 6]
    assert SeededPart.objects.count() == 6
    assert SeededPart.objects.values("source").distinct().count() == 6


def test_a_worker_that_dies_while_it_mixes_leaves_nothing_and_the_next_one_draws(seeding_line, kept, monkeypatch):
    for _ in range(3):
        kept()
    shown, show_again = [], seeding.show_again

    def dies(**fields):
        if shown:
            raise SystemExit
        shown.append(show_again(**fields))

    monkeypatch.setattr(seeding, "show_again", dies)
    with pytest.raises(SystemExit):
        actions.mix_seeds(now=soon())
    assert not SeededPart.objects.exists()
    monkeypatch.undo()
    assert actions.mix_seeds(now=soon()) == 3


def test_the_workers_task_mixes_and_goes_on_with_studies(seeding_line, kept):
    kept()
    Inspection.objects.update(received_at=timezone.now() - timedelta(seconds=6))
    tasks.mix_seeds()
    assert SeededPart.objects.count() == 1
    tasks.keep_house()
    assert SeededPart.objects.get().inspection.state == "waiting"


def test_a_reference_in_the_queue_or_in_a_running_study_is_not_mixed_in(seeding_line, kept, make_part, sam):
    reference = kept()
    study = Study.objects.create(line=seeding_line, name="s", by=sam)
    study.references.add(reference)
    assert actions.mix_seeds(now=soon()) == 0
    Study.objects.update(closed_at=timezone.now(), closed_by=sam)
    make_part()
    assert actions.mix_seeds(now=soon()) == 1
    make_part()
    assert actions.mix_seeds(now=soon()) == 0


# ---- repeats


@pytest.fixture
def repeating(line, make_part):
    """Line A with every live part followed by a repeat; call it to mix one in after a new part."""
    line.repeat_percent = 100
    line.save()

    def mix() -> Inspection | None:
        Line.objects.update(seeded_to=Inspection.objects.latest("pk").pk)
        make_part()
        mixed = actions.mix_seeds(now=soon())
        return SeededPart.objects.get(at__gt=timezone.now() - timedelta(minutes=1)).source if mixed else None

    return mix


def aged(part, **ago):
    at = timezone.now() - timedelta(**ago)
    Inspection.objects.filter(pk=part.pk).update(received_at=at, state_since=at)


def test_a_part_that_people_judged_is_repeated_without_a_truth(judged, repeating):
    part = judged()
    aged(part, hours=2)
    assert repeating() == part
    seeded = SeededPart.objects.get()
    assert (seeded.purpose, seeded.truth, seeded.reserved_for) == ("repeat", "", None)


@pytest.mark.parametrize("ago", [{"minutes": 59}, {"days": 15}])
def test_neither_what_was_just_judged_nor_what_is_long_ago(judged, repeating, ago):
    aged(judged(), **ago)
    assert repeating() is None


def test_a_part_is_not_repeated_twice_in_a_fortnight(judged, repeating):
    part = judged()
    aged(part, hours=2)
    assert repeating() == part
    Inspection.objects.filter(origin=Origin.SEEDED).update(state="decided")
    assert repeating() is None


@pytest.mark.parametrize("state", ["retake", "closed", "with_supervisor", "audit_due"])
def test_only_decided_parts_are_repeated(judged, repeating, state):
    part = judged()
    aged(part, hours=2)
    Inspection.objects.filter(pk=part.pk).update(state=state)
    assert repeating() is None


def test_a_part_judged_with_advice_or_by_nobody_is_not_repeated(line, make_part, repeating, ivy):
    advised, machines = make_part(), make_part()
    actions.note_model_output_shown(inspection=advised, user=ivy, where="advice")
    Verdict.objects.create(inspection=advised, inspector=ivy, outcome="ok", advice_shown_at=timezone.now())
    for part in (advised, machines):
        Inspection.objects.filter(pk=part.pk).update(state="decided")
        aged(part, hours=2)
    assert repeating() is None


# ---- who may judge it


def offered(part, person) -> bool:
    supervisor = {"sam", "ada"} & {person.username}
    return Inspection.objects.awaiting(person, now=soon(60), supervisor=bool(supervisor)).filter(pk=part.pk).exists()


def test_an_inspector_is_offered_a_seeded_part_also_who_judged_the_one_behind_it(mixed, ivy, ian):
    seed = mixed()
    assert [offered(seed, person) for person in (ivy, ian)] == [True, True]
    assert actions.claim(line=seed.line, by=ivy).inspection_id == seed.pk


def test_whoever_oversees_can_read_which_parts_are_seeded_and_judges_none(mixed, sam, ada):
    seed = mixed()
    assert [offered(seed, person) for person in (sam, ada)] == [False, False]
    assert actions.claim(line=seed.line, by=sam) is None


def test_who_saw_the_models_answer_to_the_source_or_named_its_truth_is_not_offered_it(mixed, ivy, ian):
    seed = mixed()
    actions.note_model_output_shown(inspection=seed.seeded.source, user=ivy, where="discrepancies")
    assert [offered(seed, person) for person in (ivy, ian)] == [False, True]
    Reference.objects.update(by=ian)  # a supervisor then, an inspector now
    assert actions.claim(line=seed.line, by=ian) is None


def test_a_reserved_part_is_one_persons(mixed, judged, ivy, ian):
    part = judged()
    seeded = seeding.show_again(
        source=part, purpose=Purpose.REPEAT, by="system", now=timezone.now(), reserved_for=ivy
    )  # fmt: skip
    assert [offered(seeded.inspection, person) for person in (ivy, ian)] == [True, False]


def test_a_scanned_serial_opens_the_part_of_it_and_never_a_seeded_one_in_its_place(mixed, make_part, ivy, ian):
    """A part may come later that has the serial of a seeded one."""
    seed = mixed()
    part = make_part(seed.serial)
    Inspection.objects.filter(pk=seed.pk).update(received_at=part.received_at - timedelta(seconds=9))
    assert actions.claim(line=seed.line, by=ivy, serial=seed.serial).inspection_id == part.pk
    assert actions.claim(line=seed.line, by=ian, serial=seed.serial) is None, "the part is in somebody's hands"


def test_on_two_lines_too_a_serial_opens_the_part_of_it(mixed, make_part, page, ivy):
    """The seeded one waits on the line that is asked first."""
    seed = mixed()
    part = make_part(seed.serial, on=Line.objects.create(slug="line-b", name="Line B"))
    assert page(ivy).post("/scan/", {"serial": seed.serial}).url == f"/inspect/line-b/?part={part.pk}"


def put_back(lease, by):
    actions.release(inspection=lease.inspection, by=by, token=lease.token)


def passed_on(lease, by):
    actions.skip(inspection=lease.inspection, by=by, token=lease.token, reason="glare")


def left(lease, by):
    actions.leave(leases=[actions.HeldLease(lease.token, lease.expires_at)], by=by)


def run_out(lease, by):
    Lease.objects.filter(pk=lease.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("ends", [put_back, passed_on, left, run_out])
@pytest.mark.parametrize("by_serial", [True, False])
def test_a_part_that_was_in_hand_is_found_again_alike_seeded_or_not(
    mixed, make_part, api, page, ivy, ian, ends, by_serial
):
    """Else whoever puts parts back could tell which were seeded, by what their serials open then."""
    seen = []
    for make in (mixed, make_part):
        part = make()
        lease = actions.claim(line=part.line, by=ivy)
        assert lease.inspection_id == part.pk
        ends(lease, ivy)
        asked = {"line": part.line.slug} | ({"serial": part.serial} if by_serial else {})
        for person in (ivy, ian):
            claim = api(person).post("/api/v1/queue/claim/", asked)
            found = claim.status_code, claim.status_code == 200 and claim.json()["inspection"]["id"] == part.pk
            scanned = page(person).post("/scan/", {"serial": part.serial}).status_code
            seen.append((found, scanned))
            Lease.objects.all().delete()
        Inspection.objects.filter(pk=part.pk).update(state="closed")
    assert seen[:2] == seen[2:]


def test_a_seeded_part_in_hand_is_found_by_its_serial_unless_the_part_of_it_is_there(
    mixed, make_part, ivy, monkeypatch
):
    seed = mixed()
    held = actions.claim(line=seed.line, by=ivy)
    assert held.inspection_id == seed.pk
    assert actions.claim(line=seed.line, by=ivy, serial=seed.serial) == held
    with monkeypatch.context() as patch:
        patch.setattr("inspection.actions.queue.MAX_HELD", 1)
        assert actions.claim(line=seed.line, by=ivy, serial=seed.serial) == held
    part = make_part(seed.serial)
    for _ in range(2):
        assert actions.claim(line=seed.line, by=ivy, serial=seed.serial).inspection_id == part.pk


def test_a_part_is_held_for_the_machine_though_a_seeded_one_of_its_serial_was_to_be_cleaned(mixed, make_part, ivy):
    seed = mixed()
    lease = actions.claim(line=seed.line, by=ivy)
    actions.send_to_retake(inspection=seed, by=ivy, lease=lease.token, reason="oil")
    Line.objects.update(hold_seconds=30)
    assert make_part(seed.serial).state == "held"


# ---- second looks


def test_a_second_look_is_a_blind_verdict_that_moves_no_part(judged, sam, ivy):
    part = judged("ok")
    seeded = actions.ask_second_look(inspection=part, by=sam, reason="hairline?")
    assert (seeded.source, seeded.purpose, seeded.truth, seeded.by) == (part, "second_look", "", "sam")
    answer(seeded.inspection, ivy, "scratched")
    part.refresh_from_db()
    assert (part.state, part.disposition.outcome, part.verdicts.count()) == ("decided", "pass", 1)
    event = AuditEvent.objects.get(action="second_look_asked")
    assert (event.by, event.subject, event.data) == ("sam", f"inspection {part.pk}", {"reason": "hairline?"})


def test_nobody_looks_twice(judged, sam, ivy, ian):
    part = judged()
    first = actions.ask_second_look(inspection=part, by=sam)
    assert [offered(first.inspection, person) for person in (ivy, ian)] == [True, False]
    answer(first.inspection, ivy, "ok")
    again = actions.ask_second_look(inspection=part, by=sam)
    assert again.pk != first.pk
    assert [offered(again.inspection, person) for person in (ivy, ian)] == [False, False]


def test_who_saw_the_models_answer_gives_no_second_look(judged, sam, ivy):
    part = judged()
    actions.note_model_output_shown(inspection=part, user=ivy, where="discrepancies")
    assert not offered(actions.ask_second_look(inspection=part, by=sam).inspection, ivy)


def test_while_one_is_open_asking_again_returns_it(judged, sam, ada, ivy):
    part = judged()
    first = actions.ask_second_look(inspection=part, by=sam)
    assert actions.ask_second_look(inspection=part, by=ada) == first
    answer(first.inspection, ivy, "unsure")
    assert actions.ask_second_look(inspection=part, by=ada) == first
    assert AuditEvent.objects.filter(action="second_look_asked").count() == 1


def test_two_who_ask_at_once_get_one(at_once, line, make_part, judge, ivy, sam, ada):
    judge(part := make_part(), ivy, "ok")
    asked = at_once(
        lambda: actions.ask_second_look(inspection=part, by=sam), lambda: actions.ask_second_look(inspection=part, by=ada)
    )  # fmt: skip
    assert asked[0] == asked[1]


def test_a_second_look_needs_a_judged_part_and_an_overseer(judged, make_part, mixed, sam, ivy, otto):
    part = judged()
    for person in (ivy, otto):
        with pytest.raises(NotAllowed):
            actions.ask_second_look(inspection=part, by=person)
    with pytest.raises(Conflict, match="Nobody has judged"):
        actions.ask_second_look(inspection=make_part(), by=sam)
    Inspection.objects.filter(state="waiting").update(state="closed")
    with pytest.raises(Conflict, match="is itself shown again"):
        actions.ask_second_look(inspection=mixed(), by=sam)


def test_second_looks_tell_who_said_what_when(judged, sam, ivy):
    part = judged()
    seeded = actions.ask_second_look(inspection=part, by=sam)
    [look] = second_looks(part)
    assert (look.waiting, look.inspector_id, look.outcome, look.at) == (True, None, None, None)
    assert (look.asked_by, look.inspection_id) == ("sam", seeded.pk)
    verdict = answer(seeded.inspection, ivy, "ok")
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="", by=ivy)
    [look] = second_looks(part)
    assert (look.waiting, look.inspector_id, look.outcome, look.at) == (False, ivy.pk, "scratched", verdict.at)


def test_of_a_second_look_that_somebody_was_unsure_of_each_answer_is_told(judged, sam, ivy):
    part = judged()
    seed = actions.ask_second_look(inspection=part, by=sam).inspection
    answer(seed, ivy, "unsure")
    assert [(look.outcome, look.waiting) for look in second_looks(part)] == [("unsure", True)]
    answer(seed, make_person("third", Role.INSPECTOR), "ok")
    assert [(look.outcome, look.waiting) for look in second_looks(part)] == [("unsure", False), ("ok", False)]


# ---- how it ends


def test_a_second_person_answers_for_an_unsure_one_as_ever(mixed, ivy, ian):
    seed = mixed()
    answer(seed, ivy, "unsure")
    answer(seed, ian, "ok")
    seed.refresh_from_db()
    assert seed.state == "decided"


def test_with_two_unsure_it_is_closed_and_never_a_supervisors_work(mixed, ivy, ian, sam):
    seed = mixed()
    answer(seed, ivy, "unsure"), answer(seed, ian, "unsure")
    assert actions.claim(line=seed.line, by=sam) is None
    assert actions.withdraw_seeds(now=soon(1)) == 0, "it can still be undone, as any other part"
    assert actions.withdraw_seeds(now=soon(31)) == 1
    seed.refresh_from_db()
    assert seed.state == "closed"
    assert AuditEvent.objects.get(action="seeded_part_withdrawn").by == "system"
    assert actions.withdraw_seeds(now=soon(31)) == 0


def test_one_that_finds_no_second_person_is_closed_and_not_escalated(mixed, ivy):
    seed = mixed()
    answer(seed, ivy, "unsure")
    assert actions.escalate_overdue_opinions(now=soon(3700)) == 0
    assert actions.withdraw_seeds(now=soon(3500)) == 0
    assert actions.withdraw_seeds(now=soon(3700)) == 1


def test_an_undo_reopens_nothing_that_was_closed(mixed, ivy, ian):
    seed = mixed()
    answer(seed, ivy, "unsure")
    verdict = answer(seed, ian, "unsure")
    actions.correct_verdict(verdict=verdict, outcome="ok", reason="", by=ian)
    assert actions.withdraw_seeds(now=soon(31)) == 0
    seed.refresh_from_db()
    assert seed.state == "decided"


def test_cleaning_a_seeded_part_is_harmless(mixed, ivy, make_part):
    seed = mixed()
    lease = actions.claim(line=seed.line, by=ivy)
    actions.send_to_retake(inspection=seed, by=ivy, lease=lease.token, reason="oil")
    seed.refresh_from_db()
    assert (seed.state, seed.verdicts.count()) == ("retake", 0)


def test_what_nobody_took_for_a_day_is_taken_out_again(mixed, judged, sam):
    seed = mixed()
    look = actions.ask_second_look(inspection=judged(), by=sam).inspection
    assert actions.withdraw_seeds(now=soon(86_000)) == 0
    assert actions.withdraw_seeds(now=soon(86_500)) == 1
    seed.refresh_from_db(), look.refresh_from_db()
    assert (seed.state, look.state) == ("closed", "waiting")


def test_what_somebody_holds_is_left_to_them(mixed, ivy):
    seed = mixed()
    actions.claim(line=seed.line, by=ivy, now=soon(86_400))
    assert actions.withdraw_seeds(now=soon(86_500)) == 0
    assert actions.withdraw_seeds(now=soon(86_800)) == 1
    assert not hasattr(Inspection.objects.get(pk=seed.pk), "lease")


def test_the_machine_never_decides_one_and_no_containment_comes_of_it(mixed, ivy):
    seed = mixed("ok")
    assert not actions.decide_by_machine(inspection=seed, outcome="pass", reason="score 0.01", audited=True)
    answer(seed, ivy, "scratched")
    assert actions.contain_escapes() == 0
    assert not Containment.objects.exists()


def test_seeded_parts_are_not_among_the_lines_own(mixed):
    seed = mixed()
    assert not Inspection.objects.live().filter(pk=seed.pk).exists()
    assert not Inspection.objects.unseeded().filter(pk=seed.pk).exists()
    assert not seed.counts_as_live
    assert seed.state == State.WAITING


def test_seeded_parts_do_not_count_in_what_a_supervisor_reads_of_the_queue(mixed, page, sam, client):
    from config.overview import today_of

    seed = mixed()
    today = today_of(seed.line, soon())
    assert (today.waiting, today.oldest) == (0, None)
    assert seed.serial not in page(sam).get("/queue/").content.decode()
    metrics = client.get("/metrics").content.decode()
    assert 'shadowline_parts_open{line="line-a"' not in metrics
