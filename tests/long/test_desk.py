"""The desk: a finding opens containment and moves nothing, a settled part is used for one thing only, and for no two at odds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection import actions
from inspection.models import (
    AuditEvent,
    Containment,
    Disposition,
    ModelOutputShown,
    Origin,
    Photo,
    Reference,
    Sample,
    SeededPart,
)
from inspection.refusals import BadInput, Conflict, NotAllowed, Unknown
from shadow import desk, desk_keys, reasons, truth, uses
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate, adjudicate_all
from shadow.desk_page import Desk
from shadow.history import history
from shadow.models import Adjudication, Finding, Prediction, TrainingPart
from shadow.settled import sitting_of
from shadow.teaching import teach

URL = "/api/v1/discrepancies/"


@pytest.fixture
def settled(compared, sam):
    """A settled discrepancy: `settled("ok", 0.9, "model")` passed and is scratched."""

    def write(verdict="scratched", score=0.1, finding="person", reason="hairline", **fields):
        prediction = compared(verdict, score, **fields)
        adjudicate(prediction=prediction, finding=finding, reason=reason, by=sam)
        return prediction

    return write


# ---- what a finding says of the part -------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "verdict", "answer", "said"),
    [
        ("person", "ok", "scratched", "ok"), ("person", "scratched", "ok", "scratched"),
        ("model", "ok", "scratched", "scratched"), ("model", "scratched", "ok", "ok"),
        ("ambiguous", "ok", "scratched", ""), (None, "ok", "scratched", ""), ("person", "unsure", "ok", ""),
    ],
)  # fmt: skip
def test_a_finding_says_what_the_part_is(finding, verdict, answer, said):
    assert truth.truth_of(finding, verdict, answer) == said


FOUND = truth.Found("SN1", settled=True, ambiguous=False, truths=frozenset({"scratched"}))
UNKNOWN = [
    truth.Found("SN1", settled=False, ambiguous=False, truths=frozenset()),
    truth.Found("SN1", settled=True, ambiguous=True, truths=frozenset({"ok"})),
    truth.Found("SN1", settled=True, ambiguous=False, truths=frozenset({"ok", "scratched"})),
    truth.Found("SN1", settled=True, ambiguous=False, truths=frozenset()),
]


@pytest.mark.parametrize("found", UNKNOWN)
def test_a_part_of_unknown_truth_is_of_no_use(found):
    now, photo = uses.Uses(found, open=False), Photo(stored="0")
    rules = (uses.against_teaching(now, "ok"), uses.against_measuring(now), uses.against_showing(now, photo))
    assert [len(reasons) for reasons in rules] == [1, 1, 1]
    assert found.truth == ""
    assert uses.against_teaching(now, "") == uses.against_looking(now) == []


@pytest.mark.parametrize(
    ("fields", "teaching", "measuring", "showing"),
    [
        ({}, "", "", ""),
        ({"reference": "scratched"}, "seeded part", "", "measures the inspectors"),
        ({"reference": "ok"}, "seeded part", "kept as ok", "measures the inspectors"),
        ({"taught": "scratched"}, "", "training set", ""),
        ({"taught": ""}, "", "", ""),
        ({"shown": frozenset({"0"})}, "", "among the samples", "already"),
        ({"open": True}, "", "", "open again"),
    ],
)
def test_no_part_is_used_for_two_things_at_odds(fields, teaching, measuring, showing):
    now = uses.Uses(FOUND, **{"open": False, **fields})
    said = [
        uses.against_teaching(now, "scratched"),
        uses.against_measuring(now),
        uses.against_showing(now, Photo(stored="0")),
    ]
    for reasons_said, wanted in zip(said, (teaching, measuring, showing), strict=True):
        assert bool(reasons_said) == bool(wanted)
        assert wanted in " ".join(reasons_said)


def test_a_part_is_taught_as_nothing_but_what_it_was_found_to_be():
    assert "as nothing else" in uses.against_teaching(uses.Uses(FOUND, open=False), "ok")[0]


def test_findings_against_two_versions_may_contradict_each_other(settled, other_version, sam):
    prediction = settled("ok", 0.9, "model")
    other = Prediction.objects.create(
        inspection=prediction.inspection, version=other_version, score=0.8, outcome="scratched"
    )
    assert truth.found_on(prediction.inspection).truth == "scratched"
    adjudicate(prediction=other, finding="person", reason="dust", by=sam)
    assert "contradict" in truth.against(truth.found_on(prediction.inspection))[0]
    adjudicate(prediction=other, finding="model", reason="hairline after all", by=sam)
    assert truth.found_on(prediction.inspection).truth == "scratched"


# ---- an escape -----------------------------------------------------------------------------------


def test_a_part_that_passed_and_is_found_scratched_is_contained(compared, sam):
    prediction = compared("ok", 0.9)
    before = list(Disposition.objects.values_list("outcome", "reason"))
    adjudicate(prediction=prediction, finding="model", reason="hairline by the camera", by=sam)
    row = Containment.objects.get()
    assert (row.inspection, row.reason, row.opened_by) == (prediction.inspection, "hairline by the camera", "sam")
    assert list(Disposition.objects.values_list("outcome", "reason")) == before == [("pass", "judged ok")]
    told = AuditEvent.objects.filter(subject=f"inspection {prediction.inspection_id}").values_list("action", flat=True)
    assert {"discrepancy_adjudicated", "containment_opened"} <= set(told)


def test_another_finding_later_closes_no_containment(settled, ada):
    prediction = settled("ok", 0.9, "model")
    for finding in ("person", "ambiguous", "model"):
        adjudicate(prediction=prediction, finding=finding, reason="looked again", by=ada)
    assert Containment.objects.get().closed_at is None


@pytest.mark.parametrize(
    ("verdict", "score", "finding"),
    [("ok", 0.9, "person"), ("ok", 0.9, "ambiguous"), ("scratched", 0.1, "person"), ("scratched", 0.1, "model")],
)
def test_no_other_finding_is_an_escape(settled, verdict, score, finding):
    settled(verdict, score, finding)
    assert not Containment.objects.exists()


def test_what_was_imported_never_left(settled):
    settled("ok", 0.9, "model", origin=Origin.REPLAY)
    assert not Containment.objects.exists()


def test_a_containment_that_cannot_be_opened_takes_the_finding_back(compared, sam, monkeypatch):
    def refuse(**_known):
        raise Conflict("closed for today")

    monkeypatch.setattr("inspection.actions.open_containment", refuse)
    with pytest.raises(Conflict):
        adjudicate(prediction=compared("ok", 0.9), finding="model", reason="x", by=sam)
    assert not Adjudication.objects.exists()


# ---- training set --------------------------------------------------------------------------------


def test_a_settled_part_is_taught_as_it_was_found_and_left_out_again(settled, sam):
    prediction = settled("ok", 0.9, "model", "hairline")
    rows = [desk.teach_settled(prediction=prediction, by=sam) for _ in range(2)]
    assert rows[0] == rows[1]
    assert (rows[0].label, rows[0].reason, rows[0].by) == ("scratched", "hairline", sam)
    teach(inspection=prediction.inspection, label="", reason="the photo is blurred", by=sam)
    assert uses.label_of(prediction.inspection) == ""
    told = AuditEvent.objects.filter(action__in=["part_taught", "part_untaught"]).values_list("action", "data__label")
    assert list(told) == [("part_taught", "scratched"), ("part_untaught", "")]


def test_what_cannot_be_taught_is_refused_with_its_reason(compared, settled, sam):
    with pytest.raises(Conflict, match="Settle first"):
        desk.teach_settled(prediction=compared("ok", 0.9), by=sam)
    with pytest.raises(Conflict, match="ambiguous"):
        desk.teach_settled(prediction=settled(finding="ambiguous"), by=sam)
    prediction = settled()
    with pytest.raises(Conflict, match="nothing else"):
        desk.teach_settled(prediction=prediction, by=sam, label="ok")
    with pytest.raises(BadInput, match="not one of"):
        desk.teach_settled(prediction=prediction, by=sam, label="maybe")
    with pytest.raises(BadInput, match="Say why"):
        desk.teach_settled(prediction=prediction, by=sam, label="", reason=" ")
    desk.keep_settled(prediction=prediction, by=sam)
    with pytest.raises(Conflict, match="seeded part"):
        desk.teach_settled(prediction=prediction, by=sam)
    assert not TrainingPart.objects.exists()


def test_an_ambiguous_part_may_be_left_out_of_the_training(settled, sam):
    row = desk.teach_settled(prediction=settled(finding="ambiguous"), by=sam, label="", reason="nobody can say")
    assert row.label == ""


# ---- seeded parts, samples, second looks ---------------------------------------------------------


def test_a_settled_part_measures_the_inspectors(settled, sam):
    prediction = settled("scratched", 0.1, "model", "dust")
    kept = desk.keep_settled(prediction=prediction, by=sam)
    assert (kept.truth, kept.reason, kept.by) == ("ok", "dust", sam)
    assert desk.keep_settled(prediction=prediction, by=sam) == kept


def test_a_taught_part_measures_nobody_until_it_is_left_out(settled, sam):
    prediction = settled()
    desk.teach_settled(prediction=prediction, by=sam)
    with pytest.raises(Conflict, match="Leave it out"):
        desk.keep_settled(prediction=prediction, by=sam)
    desk.teach_settled(prediction=prediction, by=sam, label="", reason="to measure with")
    assert desk.keep_settled(prediction=prediction, by=sam).truth == "scratched"


def test_a_photo_of_a_settled_part_shows_the_limit(settled, sam):
    prediction = settled(reason="hairline of 2 mm", photos=2)
    sample = desk.show_settled(prediction=prediction, position=1, by=sam)
    assert (sample.meaning, sample.caption) == ("limit_scratched", "hairline of 2 mm")
    assert sample.stored == prediction.inspection.photos.get(position=1).stored
    with pytest.raises(Conflict, match="already"):
        desk.show_settled(prediction=prediction, position=1, by=sam)
    with pytest.raises(Unknown, match="no photo 3"):
        desk.show_settled(prediction=prediction, position=2, by=sam)
    with pytest.raises(Conflict, match="among the samples"):
        desk.keep_settled(prediction=prediction, by=sam)


def test_the_good_side_of_the_limit(settled, sam):
    assert desk.show_settled(prediction=settled(finding="model"), position=0, by=sam).meaning == Sample.Meaning.LIMIT_OK


def test_a_second_look_waits_is_answered_blind_and_moves_nothing(compared, sam, ian, ivy):
    prediction = compared("scratched", 0.1)
    looks = [desk.look_again(prediction=prediction, by=sam) for _ in range(2)]
    assert looks[0] == looks[1]
    before = list(Disposition.objects.filter(inspection=prediction.inspection).values())
    lease = actions.claim(line=prediction.inspection.line, by=ian)
    actions.record_verdict(inspection=lease.inspection, by=ian, lease=lease.token, outcome="scratched")
    assert list(Disposition.objects.filter(inspection=prediction.inspection).values()) == before
    words = [row.words for row in history(listing.find_judged_pair(prediction.pk, sam), sam)]
    assert "Second person, blind: scratched" in words
    assert SeededPart.objects.count() == 1
    assert listing.find_pairs(listing.read_sought({}, sam)).pairs[0].prediction_id == prediction.pk


@pytest.mark.parametrize("do", [desk.teach_settled, desk.keep_settled, desk.look_again])
def test_who_may_use_a_part(settled, ivy, sam, line, do):
    prediction = settled()
    with pytest.raises(NotAllowed):
        do(prediction=prediction, by=ivy)
    sam.lines.add(type(line).objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed):
        do(prediction=prediction, by=sam)


# ---- several at a time ---------------------------------------------------------------------------


def test_several_are_settled_alike_each_for_itself(compared, sam):
    keys = [compared("ok", 0.9).pk, compared("ok", 0.1).pk, compared("ok", 0.9).pk, 10**9]
    tried = adjudicate_all(predictions=keys, finding="person", reason="dust", by=sam)
    assert [(one.prediction_id, bool(one.refusal)) for one in tried] == list(
        zip(keys, [False, True, False, True], strict=True)
    )
    assert Adjudication.objects.count() == AuditEvent.objects.filter(action="discrepancy_adjudicated").count() == 2
    with pytest.raises(BadInput):
        adjudicate_all(predictions=keys, finding="person", reason=" ", by=sam)


def test_the_gallery_says_what_became_of_each(compared, sam, page):
    keys = [compared("ok", 0.9).pk, compared("ok", 0.1).pk]
    answer = page(sam).post(
        "/discrepancies/settle/?adjudicated=no", {"pick": keys, "finding": "person", "reason": "dust"}, follow=True
    )
    assert answer.redirect_chain == [("/discrepancies/?adjudicated=no", 302)]
    said = [str(message) for message in answer.context["messages"]]
    assert said[0] == "1 settled: person right."
    assert "nothing to settle" in said[1]
    for wrong in (
        {"finding": "person", "reason": "x"},
        {"pick": keys, "reason": "x"},
        {"pick": range(101), "finding": "person"},
    ):
        [message] = page(sam).post("/discrepancies/settle/", wrong, follow=True).context["messages"]
        assert message.level_tag == "error"
    assert Adjudication.objects.count() == 1


def test_where_nothing_is_left_to_settle_the_gallery_offers_to_look(compared, sam, page):
    compared("ok", 0.1)
    assert "Look one by one" in page(sam).get("/discrepancies/?kind=both_ok").content.decode()
    compared("ok", 0.9)
    assert "Settle one by one" in page(sam).get("/discrepancies/").content.decode()


# ---- the pages -----------------------------------------------------------------------------------


def test_settling_goes_to_the_wanted_one_while_that_is_open(compared, sam, page):
    keys = [compared("ok", 0.9).pk for _ in range(4)]
    form = {"finding": "person", "chosen": "Dust", "reason": "overruled"}
    answer = page(sam).post(f"/discrepancies/{keys[3]}/", form | {"then": keys[1]})
    assert answer.url == f"/discrepancies/{keys[1]}/?"
    assert Adjudication.objects.get().reason == "Dust"
    answer = page(sam).post(f"/discrepancies/{keys[2]}/", form | {"then": keys[3]})
    assert answer.url == f"/discrepancies/{keys[1]}/?"
    answer = page(sam).post(f"/discrepancies/{keys[1]}/", form | {"then": "x" * 30})
    assert answer.url == f"/discrepancies/{keys[0]}/?"


def test_one_that_does_not_differ_any_more_is_passed_over_with_a_word(compared, sam, page):
    first, second = compared("ok", 0.9), compared("ok", 0.9)
    actions.correct_verdict(verdict=second.inspection.verdicts.get(), outcome="scratched", reason="seen", by=sam)
    answer = page(sam).post(f"/discrepancies/{second.pk}/", {"finding": "person", "reason": "x"}, follow=True)
    assert answer.redirect_chain[0][0] == f"/discrepancies/{first.pk}/?"
    assert "nothing to settle" in str(next(iter(answer.context["messages"])))


def test_without_any_filter_the_open_ones_are_listed_and_counted(compared, settled, sam, page):
    settled()
    still_open = [compared("ok", 0.9).pk, compared("scratched", 0.1).pk]
    context = page(sam).get("/discrepancies/").context
    assert {exhibit.pair.prediction_id for exhibit in context["exhibits"]} == set(still_open)
    assert [(kind, n) for kind, _url, n in context["tabs"]] == [("", 2), ("escape", 1), ("overkill", 1)]
    assert len(page(sam).get("/discrepancies/?line=").context["exhibits"]) == 3
    assert context["first"].prediction_id == still_open[1]


def test_the_end_says_what_was_settled_and_what_came_of_it(settled, compared, sam, page):
    settled("ok", 0.9, "model")
    again = settled()
    adjudicate(prediction=again, finding="ambiguous", reason="hard", by=sam)
    desk.look_again(prediction=again, by=sam)
    answer = page(sam).get("/discrepancies/done/")
    sitting = answer.context["sitting"]
    assert (sitting.person, sitting.model, sitting.ambiguous) == (0, 1, 1)
    assert (sitting.contained, sitting.taught, sitting.looks_waiting) == (1, 0, 1)
    assert "Every difference of this list is settled" in answer.content.decode()
    later = sitting_of(sam, listing.read_sought({}, sam), now=timezone.now() + timedelta(days=1))
    assert later.settled == 0
    more = compared("ok", 0.9)
    assert f"/discrepancies/{more.pk}/" in page(sam).get("/discrepancies/done/?kind=escape").content.decode()


def test_the_page_shows_the_score_the_threshold_and_how_far_the_list_is(compared, settled, sam, page):
    settled()
    prediction = compared("ok", 0.9, heat=True)
    answer = page(sam).get(f"/discrepancies/{prediction.pk}/?line=line-a")
    shown: Desk = answer.context["desk"]
    assert (shown.score_at, shown.threshold_at) == ("88.40%", "50.00%")
    assert (shown.progress.open, shown.progress.total, shown.following) == (1, 2, None)
    body = answer.content.decode()
    assert "1 of 2 open" in body
    assert "scratched: it escaped, contain it" in body
    assert "style=" not in body
    assert f"/predictions/{prediction.pk}/heatmap/0.png" in body


def test_a_page_that_is_fetched_ahead_is_one_that_was_served(compared, sam, page):
    ahead = compared("ok", 0.9, heat=True)
    assert page(sam).get(f"/discrepancies/{ahead.pk}/", headers={"Sec-Purpose": "prefetch"}).status_code == 200
    assert ModelOutputShown.objects.filter(user=sam, inspection=ahead.inspection, where="discrepancy").count() == 1


def test_uses_by_form_come_back_to_the_part_with_a_word(settled, sam, page):
    prediction = settled(photos=2)
    for action, fields, said in [
        ("second-look", {}, "judge it, blind"), ("teach", {}, "in the training set as scratched"),
        ("reference", {}, "Leave it out"), ("teach", {"label": "", "reason": "no"}, "left out"),
        ("sample", {"position": "1"}, "among the samples"), ("sample", {"position": "9"}, "numbered"),
    ]:  # fmt: skip
        answer = page(sam).post(f"/discrepancies/{prediction.pk}/{action}/?line=line-a", fields, follow=True)
        assert answer.redirect_chain == [(f"/discrepancies/{prediction.pk}/?line=line-a", 302)]
        assert said in str(next(iter(answer.context["messages"]))), action


def test_what_cannot_be_done_says_why_on_its_button(compared, sam, page):
    prediction = compared("ok", 0.9)
    shown = {use.action: use for use in page(sam).get(f"/discrepancies/{prediction.pk}/").context["desk"].uses}
    assert shown["second_look"].refusal == ""
    assert {shown[name].refusal for name in ("teach", "sample", "reference")} == {"Settle first who was right."}


# ---- reasons and keys ----------------------------------------------------------------------------


def test_reasons_are_offered_by_what_the_part_is_and_keep_their_places(compared, line, sam, ada):
    for finding, reason, by, verdict, score in [
        ("person", "Glue", sam, "ok", 0.9), ("person", "Sticker", sam, "ok", 0.9), ("model", "Sticker", ada, "scratched", 0.1),
        ("model", "Long one", sam, "ok", 0.9), ("ambiguous", "Blurred", sam, "ok", 0.9),
    ]:  # fmt: skip
        adjudicate(prediction=compared(verdict, score), finding=finding, reason=reason, by=by)
    found = reasons.reasons_for(line, sam)
    assert found["ok"].choices == ("Dust", "Reflection", "Fingerprint", "Glue", "Sticker")
    assert found["scratched"].choices[-1] == "Long one"
    assert (found["ok"].last, found["scratched"].last, found["ambiguous"].last) == ("Sticker", "Long one", "Blurred")
    assert reasons.reasons_for(line, ada)["ok"].last == "Sticker"


def test_no_more_reasons_than_digits(compared, line, sam):
    for number in range(12):
        adjudicate(prediction=compared("ok", 0.9), finding="person", reason=f"reason {number % 11}", by=sam)
    choices = reasons.reasons_for(line, sam)["ok"].choices
    assert len(choices) == 9
    assert choices[3] == "reason 0", "given twice, and first"


def test_no_key_of_the_desk_means_two_things(sam):
    for own in ({}, {"loupe": ["p"], "brighter": ["s"], "fit": ["o"], "heat": ["ArrowLeft"]}):
        sam.keys = own
        script = desk_keys.for_script(sam)
        pressed = [key for entry in script.values() for key in entry["keys"]]
        assert len(pressed) == len(set(pressed)), own
        assert script["person"]["keys"] == ["p"]
    assert script["fit"]["keys"] == ["o"]
    assert all(entries for _words, entries in desk_keys.listed(sam))


# ---- history -------------------------------------------------------------------------------------


def test_history_tells_all_and_calls_judges_by_pseudonyms(settled, other_version, sam, ivy):
    prediction = settled("ok", 0.9, "model", photos=1)
    part = prediction.inspection
    Prediction.objects.create(inspection=part, version=other_version, score=0.2, outcome="ok")
    actions.correct_verdict(verdict=part.verdicts.get(), outcome="scratched", reason="looked again", by=sam)
    desk.teach_settled(prediction=prediction, by=sam)
    told = history(listing.find_judged_pair(prediction.pk, sam), sam)
    words = " | ".join(f"{row.by}: {row.words}" for row in told)
    for wanted in [
        "The part arrived", f"{ivy.pseudonym}: First verdict: ok", "sam: Corrected to scratched", "Disposition pass",
        "Disposition reject", "v2: Model: ok, score 0.200", "sam: Model right: hairline", "Into the training set as scratched",
        "Containment opened",
    ]:  # fmt: skip
        assert wanted in words
    assert "ivy" not in words
    assert [row.at for row in told] == sorted(row.at for row in told)


def test_who_asks_or_opens_signs_with_their_name(settled, sam):
    sam.first_name, sam.last_name = "Sam", "Okoye"
    sam.save()
    prediction = settled("ok", 0.9, "model", photos=1)
    desk.look_again(prediction=prediction, by=sam)
    told = history(listing.find_judged_pair(prediction.pk, sam), sam)
    opened = [row.by for row in told if "Containment opened" in row.words or "second look" in row.words]
    assert opened == ["Sam Okoye"] * 2


# ---- the API -------------------------------------------------------------------------------------


def test_uses_over_the_api(settled, compared, sam, api):
    prediction = settled(photos=2)
    url = f"{URL}{prediction.pk}"
    look = api(sam).post(f"{url}/second-look/")
    assert (look.status_code, look.json()["state"], look.json()["inspection"]) == (
        201,
        "waiting",
        prediction.inspection_id,
    )
    taught = api(sam).post(f"{url}/teach/")
    assert (taught.status_code, taught.json()["label"], taught.json()["by"]) == (201, "scratched", "sam")
    refused = api(sam).post(f"{url}/reference/")
    assert (refused.status_code, "training set" in refused.json()["detail"]) == (409, True)
    assert api(sam).post(f"{url}/teach/", {"label": "", "reason": "x"}).json()["label"] == ""
    kept = api(sam).post(f"{url}/reference/")
    assert (kept.status_code, kept.json()["truth"], Reference.objects.count()) == (201, "scratched", 1)
    other = settled(finding="model")
    shown = api(sam).post(f"{URL}{other.pk}/sample/", {"photo": 0, "caption": "dust"})
    assert (shown.status_code, shown.json()["meaning"], shown.json()["caption"]) == (201, "limit_ok", "dust")
    assert api(sam).post(f"{URL}{other.pk}/sample/", {"photo": 8}).status_code == 400
    assert api(sam).post(f"{URL}{compared('ok', 0.9).pk}/teach/").status_code == 409
    for action in ("second-look", "teach", "sample", "reference"):
        assert api(sam).post(f"{URL}999999/{action}/").status_code == 404


def test_the_list_over_the_api_takes_every_filter(compared, sam, api):
    surest, other = compared("ok", 0.95, lot="L1"), compared("ok", 0.6)
    listed = lambda **query: [row["id"] for row in api(sam).get(URL, query).json()["results"]]  # noqa: E731
    assert listed(order="surest") == [surest.pk, other.pk]
    assert listed(lot="L1", score_from=0.9, age="today") == [surest.pk]
    assert listed(age="7") == []
    assert api(sam).get(URL, {"order": "worst"}).status_code == 400


def test_every_finding_is_a_key_and_a_choice(compared, sam, page):
    choices = page(sam).get(f"/discrepancies/{compared('ok', 0.9).pk}/").context["desk"].choices
    assert [choice.value for choice in choices] == Finding.values
    assert [choice.meaning for choice in choices] == ["ok", "scratched", "ambiguous"]
