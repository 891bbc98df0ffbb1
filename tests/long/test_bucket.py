"""Photos in a bucket, on a real server of S3: kept before the row, served by permission, waited for when it is down."""

import io
import urllib.request
from dataclasses import replace
from urllib.error import HTTPError
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from PIL import Image

from automation.actions import score_and_settle
from config.health import photo_store
from inspection.actions import claim
from inspection.bucket import Bucket, Object, StoreAway
from inspection.models import Inspection
from inspection.photos import keep, path_of, preview_path
from inspection.previews import make_missing_previews
from shadow import jobs
from shadow.models import JobState, Prediction, ScoringJob
from station.answers import Answer, Kind, meaning
from tests import buckets
from tests.conftest import photo_bytes
from tests.journeys.sites import free_port

pytestmark = pytest.mark.one_database


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    with buckets.server(tmp_path_factory.mktemp("bucket")) as address:
        yield address


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", buckets.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture
def bucket(endpoint, keys, settings):
    """Each test has a prefix of its own."""
    settings.PHOTO_BUCKET = replace(buckets.made(endpoint, "photos"), prefix=f"{uuid4().hex}/")
    return settings.PHOTO_BUCKET


def unreachable():
    """A bucket whose server is down."""
    return Bucket("photos", endpoint=f"http://127.0.0.1:{free_port()}", region="us-east-1")


@pytest.fixture
def down(keys, settings):
    settings.PHOTO_BUCKET = unreachable()


def send(client, serial="S1"):
    photo = SimpleUploadedFile("p.jpg", photo_bytes(seed=serial))
    body = {"line": "line-a", "serial": serial, "photos": [photo]}
    return client.post("/api/v1/inspections/", body, format="multipart", headers={"Idempotency-Key": serial})


def test_a_part_is_kept_in_the_bucket_and_nowhere_else(bucket, api, cam, line, settings):
    assert send(api(cam)).status_code == 201
    photo = Inspection.objects.get().photos.get()
    assert path_of(photo.stored).read_bytes() == photo_bytes(seed="S1")
    assert str(path_of(photo.stored)).startswith(f"s3://photos/{bucket.prefix}photos/")
    assert not settings.PHOTO_ROOT.exists()


def test_keeping_twice_is_harmless_and_bytes_that_changed_on_their_way_are_refused(bucket):
    place = bucket.place("twice")
    assert not place.exists()
    for _ in range(2):
        keep(b"the same", place)
    assert (place.exists(), place.read_bytes()) == (True, b"the same")
    with pytest.raises(FileNotFoundError):
        bucket.place("never").open("rb")


def test_a_worker_scores_from_the_bucket_and_makes_previews_there(bucket, shadowed, make_part):
    part = make_part(photos=2)
    assert score_and_settle() == 1
    assert Prediction.objects.get().score is not None
    assert [make_missing_previews() for _ in range(2)] == [2, 0]
    with Image.open(preview_path(part.photos.first().stored).open("rb")) as preview:
        assert preview.format == "WEBP"


def test_a_photo_streams_through_the_web_by_permission_and_for_good(bucket, make_part, client, sam, ivy):
    photo = make_part().photos.get()
    address = f"/photos/{photo.pk}/"
    client.force_login(ivy)
    assert client.get(address).status_code == 404
    client.force_login(sam)
    answer = client.get(address)
    assert b"".join(answer.streaming_content) == path_of(photo.stored).read_bytes()
    assert "immutable" in answer["Cache-Control"]
    assert client.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_or_by_a_signed_address_that_runs_out(bucket, make_part, client, sam, ivy, settings):
    settings.PHOTO_DELIVERY = "redirect"
    photo = make_part().photos.get()
    client.force_login(ivy)
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
    client.force_login(sam)
    answer = client.get(f"/photos/{photo.pk}/")
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{bucket.origin}/")
    assert (answer["Cache-Control"], answer.has_header("ETag")) == ("private, max-age=150", False)
    with urllib.request.urlopen(answer["Location"]) as told:  # noqa: S310 - our own server
        assert told.read() == path_of(photo.stored).read_bytes()
        assert told.headers["Content-Type"] == "image/jpeg"
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(answer["Location"].replace("X-Amz-Expires=300", "X-Amz-Expires=3000"))  # noqa: S310


def test_who_judges_blind_is_never_led_to_a_digest(bucket, make_part, line, client, ivy, settings):
    settings.PHOTO_DELIVERY = "redirect"
    photo = make_part().photos.get()
    claim(line=line, by=ivy)
    client.force_login(ivy)
    for address in (f"/photos/{photo.pk}/", f"/photos/{photo.pk}/preview/"):
        answer = client.get(address)
        assert (answer.status_code, answer.has_header("Location")) == (200, False)


def test_readiness_tells_the_truth(bucket, monkeypatch, settings):
    cache.clear()
    assert photo_store() == "ok"
    cache.clear()
    settings.PHOTO_BUCKET = unreachable()
    assert photo_store() == "the bucket cannot be used: does not answer"
    for name, value, fault in (
        ("AWS_SECRET_ACCESS_KEY", "wrong", "the secret key is wrong"),
        ("AWS_ACCESS_KEY_ID", "nobody", "the access key is not known there"),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert replace(bucket, prefix=f"{uuid4().hex}/").fault() == fault  # one that no client was made for


def test_without_credentials_it_says_which_to_set(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "set AWS_ACCESS_KEY_ID" in replace(bucket, prefix="none/").fault()


# ---- while it is down


def test_intake_answers_503_and_keeps_nothing_and_a_station_asks_again(down, api, cam, line):
    answer = send(api(cam))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "photo store cannot be used now" in answer.json()["detail"]
    assert not Inspection.objects.exists()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    told = Answer(answer.status_code, headers, answer.content)
    assert meaning(told, serial="S1", digests=["0" * 64]).kind == Kind.LATER


def test_a_part_that_is_in_reaches_an_inspector_though_its_photo_cannot_be_shown(
    bucket, shadowed, make_part, api, ivy, client, settings
):
    part = make_part()
    settings.PHOTO_BUCKET = unreachable()
    claimed = api(ivy).post("/api/v1/queue/claim/", {"line": "line-a"})
    assert claimed.json()["inspection"]["id"] == part.pk
    client.force_login(ivy)
    assert client.get(f"/photos/{part.photos.get().pk}/").status_code == 503
    assert client.get(f"/photos/{part.photos.get().pk}/preview/").status_code == 503


def test_no_part_loses_an_attempt_to_it_and_all_are_scored_when_it_is_back(bucket, shadowed, make_part, settings):
    make_part()
    settings.PHOTO_BUCKET = unreachable()
    for _ in range(jobs.MAX_ATTEMPTS + 1):
        assert score_and_settle() == 0
        assert list(ScoringJob.objects.values_list("state", "attempts")) == [(JobState.PENDING, 0)]
    settings.PHOTO_BUCKET = bucket
    assert score_and_settle() == 1
    assert Prediction.objects.get().score is not None


def test_one_photo_that_the_store_cannot_give_takes_no_neighbour_with_it(bucket, shadowed, make_part, monkeypatch):
    broken, _ = make_part("A"), make_part("B")
    place, give = path_of(broken.photos.get().stored), Object.read_bytes

    def read(self):
        if self == place:
            raise StoreAway("InternalError")
        return give(self)

    monkeypatch.setattr(Object, "read_bytes", read)
    assert sum(score_and_settle() for _ in range(jobs.MAX_ATTEMPTS + 1)) == 2
    told = dict(Prediction.objects.values_list("inspection__serial", "null_reason"))
    assert (told["B"], "StoreAway" in told["A"]) == ("", True)


def test_previews_wait_for_the_next_round(bucket, settings, make_part):
    make_part()
    settings.PHOTO_BUCKET = unreachable()
    assert make_missing_previews() == 0
    settings.PHOTO_BUCKET = bucket
    assert make_missing_previews() == 1


def test_it_comes_back_and_the_same_part_is_taken(keys, tmp_path_factory, api, cam, line, settings):
    camera = api(cam)
    folder, port = tmp_path_factory.mktemp("outage"), free_port()
    with buckets.server(folder, port) as endpoint:
        settings.PHOTO_BUCKET = buckets.made(endpoint, "photos")
        assert send(camera, "S1").status_code == 201
    assert send(camera, "S2").status_code == 503
    with buckets.server(folder, port) as endpoint:
        buckets.made(endpoint, "photos")
        assert send(camera, "S2").status_code == 201
        assert send(camera, "S1").status_code == 200
        for photo in [part.photos.get() for part in Inspection.objects.all()]:
            assert path_of(photo.stored).exists()


def test_a_data_set_takes_its_photos_out_of_the_bucket(bucket, make_part, judge, ivy, tmp_path, settings):
    part = make_part("A", photos=2)
    judge(part, ivy, "ok")
    call_command("export_dataset", str(tmp_path / "set"), "--line", "line-a", stdout=io.StringIO())
    kept = [path_of(photo.stored).read_bytes() for photo in part.photos.all()]
    assert [path.read_bytes() for path in sorted((tmp_path / "set" / "photos").rglob("*.jpeg"))] == kept
    settings.PHOTO_BUCKET = unreachable()
    with pytest.raises(CommandError, match="photo store cannot be used now"):
        call_command("export_dataset", str(tmp_path / "again"), "--line", "line-a", stdout=io.StringIO())
    assert [path.name for path in tmp_path.iterdir() if path.name.strip(".").startswith("again")] == []
