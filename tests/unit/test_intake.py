"""Parts arrive through the API: the contract's shape, once per key, refused with a sentence, held when the line says so."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from inspection import actions
from inspection.models import ApiToken, Inspection, Line, Photo, Variant
from inspection.refusals import BadInput, Conflict
from tests.conftest import photo_bytes

pytestmark = pytest.mark.django_db


def photo(seed=0) -> SimpleUploadedFile:
    return SimpleUploadedFile("camera.jpg", photo_bytes(seed=seed), "image/jpeg")


def send(client: APIClient, *, seeds=(0,), key=None, **fields):
    body = {"serial": "SN1", "line": "line-a", "photos": [photo(seed) for seed in seeds]} | fields
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/v1/inspections/", body, format="multipart", headers=headers)


@pytest.fixture
def camera(api, cam, line):
    return api(cam)


def test_a_part_is_received_and_answered_in_the_contracts_shape(camera, station):
    captured = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
    response = send(
        camera, seeds=(1, 2), views=["front", "back"], station="cam-1", lot="L7", variant="Phone X",
        captured_at=captured.isoformat(),
    )  # fmt: skip
    answer = response.json()
    assert response.status_code == 201
    assert {"id", "serial", "line", "state", "photos", "disposition"} <= set(answer)
    assert (answer["serial"], answer["line"], answer["state"], answer["disposition"]) == (
        "SN1",
        "line-a",
        "waiting",
        None,
    )
    assert [row["view"] for row in answer["photos"]] == ["front", "back"]
    assert {"id", "sha256", "view", "width", "height"} <= set(answer["photos"][0])
    part = Inspection.objects.get()
    assert (part.station, part.lot, part.variant.name, part.captured_at) == (station, "L7", "Phone X", captured)
    assert (part.origin, part.received_by.username) == ("live", "cam")


def test_without_captured_at_the_part_was_taken_now(camera):
    send(camera)
    part = Inspection.objects.get()
    assert part.captured_at == part.received_at


def test_the_same_key_and_content_again_gives_the_same_part(camera):
    first = send(camera, key="k1", seeds=(1, 2))
    again = send(camera, key="k1", seeds=(1, 2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Photo.objects.count() == 2


@pytest.mark.parametrize(
    "other",
    [{"serial": "SN2"}, {"seeds": (9,)}, {"seeds": (0, 1)}, {"lot": "L2"}, {"views": ["back"]}, {"variant": "Y"}],
    ids=["serial", "photo", "photos", "lot", "view", "variant"],
)
def test_the_same_key_with_another_body_is_a_conflict(camera, other):
    send(camera, key="k1")
    response = send(camera, key="k1", **other)
    assert response.status_code == 409
    assert "'k1' was used for part SN1" in response.json()["detail"]
    assert Inspection.objects.count() == 1


def test_a_key_is_its_tokens_own(camera, api, ada):
    assert send(camera, key="k1").status_code == 201
    assert send(api(ada), key="k1", serial="SN2").status_code == 201


def test_without_a_key_each_part_is_new(camera):
    assert [send(camera).status_code for _ in range(2)] == [201, 201]
    assert Inspection.objects.count() == 2


def test_two_senders_with_one_key_at_once_make_one_part(at_once, line, cam):
    token = ApiToken.issue(cam)

    def one():
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return send(client, key="k1", variant="New phone")

    results = at_once(*[one] * 4)
    assert sorted(response.status_code for response in results) == [200, 200, 200, 201]
    assert len({response.json()["id"] for response in results}) == 1
    assert Inspection.objects.count() == 1


def test_an_unknown_line_names_the_known_ones(camera):
    Line.objects.create(slug="line-b", name="Line B")
    response = send(camera, line="line-z")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no line 'line-z'. Known lines: line-a, line-b."


def test_a_bound_sender_is_told_of_no_other_line(camera, cam, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    cam.lines.add(line)
    assert "line-b" not in send(camera, line="line-z").json()["detail"]
    response = send(camera, line=other.slug)
    assert (response.status_code, Inspection.objects.count()) == (403, 0)
    assert "You are not bound to Line B" in response.json()["detail"]


def test_an_unknown_station_names_the_known_ones(camera, station):
    response = send(camera, station="cam-9")
    assert response.status_code == 400
    assert "Known stations: cam-1" in response.json()["detail"]


@pytest.mark.parametrize("who", ["ivy", "sam", "otto"])
def test_only_stations_and_admins_send(who, api, request, line):
    assert send(api(request.getfixturevalue(who))).status_code == 403


def test_a_stranger_signs_in_first(api, line):
    response = send(api(None))
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Token"
    assert set(response.json()) == {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"serial": ""}, "serial"),
        ({"serial": "  "}, "serial"),
        ({"serial": "x" * 121}, "serial"),
        ({"serial": "a\0b"}, "serial"),
        ({"photos": []}, "photos"),
        ({"seeds": (), "photos": "text"}, "photos"),
        ({"captured_at": "yesterday"}, "captured_at"),
        ({"origin": "seeded"}, "origin"),
        ({"origin": "simulated"}, "not a demo line"),
        ({"views": ["front", "back"]}, "2 views name 1 photo"),
        ({"views": ["x" * 41]}, "views"),
        ({"key": "k" * 201}, "idempotency key"),
    ],
)
def test_bad_fields_are_named(camera, fields, words):
    response = send(camera, **fields)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert words in response.json()["detail"]
    assert not Inspection.objects.exists()


def test_more_than_eight_photos(camera):
    response = send(camera, photos=[photo(0) for _ in range(9)])
    assert response.status_code == 400
    assert "8 files" in response.json()["detail"]
    assert send(camera, photos=[photo(0) for _ in range(8)]).status_code == 201


def test_a_bad_photo_is_named_by_its_number(camera, tmp_path):
    response = send(camera, photos=[photo(0), SimpleUploadedFile("x.jpg", b"no photo")])
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Photo 2: The file is not a JPEG")
    assert not (tmp_path / "photos").exists()


def test_a_request_too_large_is_refused_before_it_is_read(camera, settings):
    settings.PHOTO_MAX_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100, 1000
    response = send(camera, photos=[SimpleUploadedFile("x.jpg", bytes(3000))])
    assert (response.status_code, "larger than 1,800 bytes" in response.json()["detail"]) == (400, True)
    response = send(camera, photos=[SimpleUploadedFile("x.jpg", bytes(200))])
    assert (response.status_code, "x.jpg is larger than 100 bytes" in response.json()["detail"]) == (400, True)


def test_a_body_in_chunks_is_told_to_say_its_length(camera):
    answer = camera.generic("POST", "/api/v1/inspections/", b"", headers={"Transfer-Encoding": "chunked"})
    assert (answer.status_code, "Content-Length" in answer.json()["detail"]) == (411, True)


def test_json_is_no_way_to_send_photos(camera):
    assert camera.post("/api/v1/inspections/", {"serial": "SN1"}, format="json").status_code == 415


def test_simulated_parts_are_for_demo_lines(line):
    sent = [actions.NewPhoto(photo_bytes())]
    with pytest.raises(BadInput, match="not a demo line"):
        actions.receive_inspection(line=line, serial="S", photos_sent=sent, by=None, origin="simulated")
    line.demo = True
    part, new = actions.receive_inspection(line=line, serial="S", photos_sent=sent, by=None, origin="simulated")
    assert new
    assert part.counts_as_live


def test_variants_without_a_latin_name_stay_apart(make_part):
    names = ["星耀 一", "星耀 二", "Phone X", "phone x", "A" * 60 + "1", "A" * 60 + "2"]
    slugs = [make_part(variant=name).variant.slug for name in names]
    assert len(set(slugs)) == 5, "only the two spellings of Phone X are one"
    assert Variant.objects.get(slug=slugs[0]).name == "星耀 一"
    assert all(len(slug) <= 40 for slug in slugs)


def test_where_people_judge_everything_nothing_is_held(make_part):
    part = make_part()
    assert (part.state, part.hold_until) == ("waiting", part.received_at)


def test_a_lines_hold_is_taken_from_its_row_not_from_the_senders_copy(line, make_part):
    Line.objects.filter(pk=line.pk).update(hold_seconds=60)
    part = make_part()
    assert (part.state, part.hold_until - part.received_at) == ("held", timedelta(seconds=60))


def test_after_a_retake_the_part_is_a_persons_whatever_the_level(line, make_part, ivy):
    first = make_part("SN1")
    lease = actions.claim(line=line, by=ivy)
    actions.send_to_retake(inspection=first, by=ivy, lease=lease.token, reason="oil")
    Line.objects.update(hold_seconds=60)
    again, other = make_part("SN1"), make_part("SN2")
    assert (again.state, other.state) == ("waiting", "held")
    assert not actions.decide_by_machine(inspection=again, outcome="pass", reason="score", audited=False)


def test_a_failing_row_leaves_nothing_but_harmless_files(line, monkeypatch):
    monkeypatch.setattr("inspection.actions.intake._write_rows", lambda *args: (_ for _ in ()).throw(RuntimeError))
    sent = [actions.NewPhoto(photo_bytes())]
    with pytest.raises(RuntimeError):
        actions.receive_inspection(line=line, serial="S", photos_sent=sent, by=None, variant="V")
    assert not Inspection.objects.exists()
    assert not Variant.objects.exists()


def test_the_action_refuses_what_the_page_would(line):
    sent = [actions.NewPhoto(photo_bytes())]
    for fields in ({"serial": " "}, {"serial": "x" * 121}, {"photos_sent": []}, {"photos_sent": sent * 9}):
        with pytest.raises(BadInput):
            actions.receive_inspection(**{"line": line, "serial": "S", "photos_sent": sent, "by": None} | fields)


def test_another_origin_under_the_same_key_is_another_body(line):
    line.demo = True
    send_it = {"line": line, "serial": "S", "photos_sent": [actions.NewPhoto(photo_bytes())], "by": None}
    actions.receive_inspection(**send_it, idempotency_key="k")
    with pytest.raises(Conflict):
        actions.receive_inspection(**send_it, idempotency_key="k", origin="simulated")
