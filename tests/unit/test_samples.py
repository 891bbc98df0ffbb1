"""Samples to compare with: who keeps them, what is refused, where they are seen; and the line's caps on the look."""

from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from inspection import actions
from inspection.models import AuditEvent, Line, Sample, Variant
from inspection.photos import path_of
from inspection.refusals import BadInput, Conflict, NotAllowed
from tests.conftest import photo_bytes


@pytest.fixture
def make_sample(line, ada):
    def make(meaning="good", *, on=None, seed=1, **fields) -> Sample:
        return actions.add_sample(line=on or line, meaning=meaning, photo=photo_bytes(seed=seed), by=ada, **fields)

    return make


@pytest.fixture
def judged(make_part, judge, ivy):
    """A part that ivy found good, of variant Nova, with one photo."""
    part = make_part(variant="Nova")
    judge(part, ivy, "ok")
    part.refresh_from_db()
    return part


def upload(data=None, name="photo.jpg"):
    return SimpleUploadedFile(name, photo_bytes(seed=9) if data is None else data, "image/jpeg")


def words(response):
    return unescape(response.content.decode())


def test_an_upload_is_kept_as_at_the_intake(make_sample, line):
    sample = make_sample("limit_ok", caption=" hairline ", view=" front ")
    assert (sample.caption, sample.view, sample.width, sample.height, sample.format) == (
        "hairline",
        "front",
        320,
        180,
        "JPEG",
    )
    assert path_of(sample.stored).read_bytes() == photo_bytes(seed=1)
    event = AuditEvent.objects.get(action="sample_added")
    assert (event.by, event.line, event.subject) == ("ada", "line-a", f"sample {sample.pk}")
    assert event.data["meaning"] == "limit_ok"
    assert "photo" not in event.data


def test_a_photo_of_a_judged_part_becomes_a_sample(judged, line, sam):
    photo = judged.photos.get()
    sample = actions.add_sample(line=line, meaning="good", photo=photo, by=sam, variant=judged.variant)
    assert (sample.stored, sample.variant.slug) == (photo.stored, "nova")
    assert AuditEvent.objects.get(action="sample_added").data["photo"] == photo.pk


def test_an_open_part_would_be_given_away(make_part, line, sam):
    with pytest.raises(Conflict, match="still open"):
        actions.add_sample(line=line, meaning="good", photo=make_part().photos.get(), by=sam)


def test_the_same_photo_is_one_sample_of_a_line(make_sample):
    make_sample(caption="clean")
    with pytest.raises(Conflict, match="among its samples: clean"):
        make_sample("limit_scratched")
    assert make_sample(on=Line.objects.create(slug="line-b", name="Line B")).pk


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"photo": b"GIF89a"}, "not a JPEG"),
        ({"photo": b""}, "empty"),
        ({"meaning": "perfect"}, "not a valid choice"),
        ({"caption": "x" * 121}, "at most 120"),
    ],
)
def test_nonsense_is_refused(fields, said, line, sam):
    with pytest.raises(BadInput, match=said):
        actions.add_sample(**({"line": line, "meaning": "good", "photo": photo_bytes(), "by": sam} | fields))
    assert not Sample.objects.exists()


def test_those_who_oversee_the_line_keep_its_samples(make_sample, line, ivy, sam):
    sample = make_sample()
    with pytest.raises(NotAllowed, match="admin or supervisor"):
        actions.add_sample(line=line, meaning="good", photo=photo_bytes(seed=2), by=ivy)
    with pytest.raises(NotAllowed):
        actions.remove_sample(sample=sample, by=ivy)
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for act in (
        lambda: actions.add_sample(line=line, meaning="good", photo=photo_bytes(seed=2), by=sam),
        lambda: actions.remove_sample(sample=sample, by=sam),
    ):
        with pytest.raises(NotAllowed, match="not bound to Line A"):
            act()


def test_a_removed_sample_leaves_its_bytes_and_its_audit_row(make_sample, line, sam, page):
    sample = make_sample(caption="clean")
    where = reverse("remove_sample", args=[sample.pk])
    client = page(sam)
    assert client.get(where).status_code == 405
    assert "The sample 'clean' is removed." in words(client.post(where, follow=True))
    assert client.post(where).status_code == 404
    assert not Sample.objects.exists()
    assert path_of(sample.stored).exists()
    assert AuditEvent.objects.get(action="sample_removed").subject == f"sample {sample.pk}"


# Pages


def test_a_sample_is_served_for_good_to_those_who_judge_on_the_line(make_sample, page, ivy):
    sample = make_sample()
    client = page(ivy)
    photo, preview = client.get(f"/samples/{sample.pk}/"), client.get(f"/samples/{sample.pk}/preview/")
    assert b"".join(photo.streaming_content) == photo_bytes(seed=1)
    assert b"".join(preview.streaming_content)[8:12] == b"WEBP"
    assert (photo["Content-Type"], preview["Content-Type"]) == ("image/jpeg", "image/webp")
    assert photo["Cache-Control"] == "private, max-age=31536000, immutable"
    assert client.get(f"/samples/{sample.pk}/", headers={"If-None-Match": photo["ETag"]}).status_code == 304
    ivy.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for path in ("", "preview/"):
        assert client.get(f"/samples/{sample.pk}/{path}").status_code == 404


def test_all_samples_of_a_line_stand_on_one_page(make_sample, line, page, ivy, sam):
    where = reverse("samples", args=[line.slug])
    assert "No sample yet" in words(page(ivy).get(where))
    make_sample("limit_scratched", seed=2, caption="hairline")
    make_sample("good", view="front")
    text = words(page(ivy).get(where))
    assert text.index("Good part") < text.index("Limit: scratched") < text.index("<p>hairline")
    assert "Remove" not in text
    assert "Remove" in words(page(sam).get(where))


def test_the_room_brings_the_samples_and_their_fit(make_sample, make_part, line, page, ivy):
    make_part()
    assert "This line has no samples yet" in words(page(ivy).get(f"/inspect/{line.slug}/"))
    sample = make_sample(variant=Variant.objects.create(slug="nova", name="Nova 2"), view="Front")
    text = words(page(ivy).get(f"/inspect/{line.slug}/"))
    assert f'data-sample="{sample.pk}" data-variant="nova" data-variant-name="nova 2" data-side="front"' in text
    assert f'href="/lines/{line.slug}/samples/"' in text


def test_a_supervisor_adds_a_photo_from_a_parts_history(judged, line, page, sam, ivy):
    where = reverse("add_sample", args=[judged.photos.get().pk])
    assert where not in words(page(ivy).get(reverse("part_history", args=[judged.serial])))
    client = page(sam)
    assert where in words(client.get(reverse("part_history", args=[judged.serial])))
    form = client.get(where).context["form"]
    assert (form["line"].value(), form["variant"].value()) == (line.pk, judged.variant_id)
    assert client.post(where, {"line": line.pk, "meaning": "perfect"}).status_code == 400
    sent = {"line": line.pk, "variant": judged.variant_id, "meaning": "good", "caption": "as it should be"}
    assert "among the samples of Line A" in words(client.post(where, sent, follow=True))
    assert Sample.objects.get().variant == judged.variant
    again = client.post(where, sent)
    assert again.status_code == 409
    assert "among its samples: as it should be" in words(again)


def test_an_open_parts_photo_is_not_offered(make_part, page, sam):
    part = make_part()
    assert "/sample/" not in words(page(sam).get(reverse("part_history", args=[part.serial])))
    assert page(sam).get(reverse("add_sample", args=[part.photos.get().pk])).status_code == 409
    assert page(sam).get(reverse("add_sample", args=[999])).status_code == 404


def test_an_admin_uploads_changes_and_removes(line, page, ada):
    client = page(ada)
    assert 'enctype="multipart/form-data"' in words(client.get(reverse("setup_sample_new")))
    sent = {"line": line.pk, "meaning": "good", "caption": "clean"}
    assert client.post(reverse("setup_sample_new"), sent | {"photo": upload()}).status_code == 302
    sample = Sample.objects.get()
    assert AuditEvent.objects.get().action == "sample_added"
    text = words(client.get(reverse("setup_samples")))
    assert all(told in text for told in ("Line A", "Good part", "clean", f"/samples/{sample.pk}/preview/"))
    client.post(reverse("setup_sample", args=[sample.pk]), sent | {"meaning": "limit_ok"})
    sample.refresh_from_db()
    assert sample.meaning == "limit_ok"
    assert AuditEvent.objects.get(action="sample_changed").data["meaning"] == {"before": "good", "after": "limit_ok"}
    client.post(reverse("setup_sample_remove", args=[sample.pk]))
    assert not Sample.objects.exists()
    assert AuditEvent.objects.get(action="sample_removed").line == "line-a"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (upload(b"<svg onload=alert(1)>", "photo.svg"), "not a JPEG"),
        (upload(b""), "empty"),
        (None, "required"),
    ],
)
def test_an_upload_that_is_no_photo_is_refused(file, said, line, page, ada):
    sent = {"line": line.pk, "meaning": "good"} | ({"photo": file} if file else {})
    response = page(ada).post(reverse("setup_sample_new"), sent)
    assert response.status_code == 400
    assert said in words(response)
    assert not Sample.objects.exists()


def test_an_upload_that_is_too_large_is_said_beside_its_field(line, page, ada, settings):
    settings.PHOTO_MAX_BYTES = 500
    response = page(ada).post(reverse("setup_sample_new"), {"line": line.pk, "meaning": "good", "photo": upload()})
    assert response.status_code == 400
    assert "at most 500 are taken" in " ".join(response.context["form"].errors["photo"])


def test_a_line_or_variant_with_samples_is_not_removed(make_sample, line, ada):
    variant = Variant.objects.create(slug="nova", name="Nova")
    make_sample(variant=variant)
    for row in (line, variant):
        with pytest.raises(Conflict, match="1 x sample"):
            actions.remove(row=row, by=ada)
    assert Sample.objects.exists()


# The caps on the look

LINE = {
    "name": "Line A", "time_zone": "UTC", "undo_seconds": "30", "lease_seconds": "300", "second_opinion_minutes": "60",
}  # fmt: skip


def test_a_lines_caps_are_set_and_taken_away(line, page, ada):
    where = reverse("setup_line", args=[line.pk])
    page(ada).post(where, LINE | {"zoom_limit": "100", "viewing_seconds": "8"})
    line.refresh_from_db()
    assert (line.zoom_limit, line.viewing_seconds) == (100, 8)
    page(ada).post(where, LINE)
    line.refresh_from_db()
    assert (line.zoom_limit, line.viewing_seconds) == (None, None)


@pytest.mark.parametrize(("field", "value"), [("zoom_limit", "10"), ("zoom_limit", "9999"), ("viewing_seconds", "0")])
def test_a_cap_has_its_bounds(field, value, line, page, ada):
    response = page(ada).post(reverse("setup_line", args=[line.pk]), LINE | {field: value})
    assert response.status_code == 400
    assert response.context["form"].errors[field]


def test_the_room_tells_the_caps(line, page, ivy, make_part):
    make_part()
    assert "data-viewing" not in words(page(ivy).get(f"/inspect/{line.slug}/"))
    Line.objects.update(zoom_limit=100, viewing_seconds=8)
    text = words(page(ivy).get(f"/inspect/{line.slug}/"))
    assert 'data-zoom-limit="100"' in text
    assert 'data-viewing data-seconds="8"' in text
