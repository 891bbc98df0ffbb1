"""STORAGE_URL and PHOTO_DELIVERY: what they may say, and the sentence for what they may not."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment
from config.environment import photo_delivery, photo_store
from inspection.bucket import Bucket

DATA = Path("/data")
BUCKET = Bucket("photos", endpoint="https://s3.factory:9000")


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("", (DATA / "photos", None)),
        ("/mnt/photos", (Path("/mnt/photos"), None)),
        ("s3://photos", (DATA / "photos", Bucket("photos"))),
        ("s3://photos?endpoint=https://s3.factory:9000", (DATA / "photos", BUCKET)),
        (
            "s3://photos/plant-1/?endpoint=http://10.0.0.5:8333/&region=eu-central-1",
            (DATA / "photos", Bucket("photos", "plant-1/", "http://10.0.0.5:8333", "eu-central-1")),
        ),
    ],
)
def test_a_folder_or_a_bucket(url, store):
    assert photo_store(url, DATA) == store


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gs://photos", "begins with gs://"),
        ("s3://", "no bucket's name"),
        ("s3://Photos", "no bucket's name"),
        ("s3://key:secret@photos", "AWS_ACCESS_KEY_ID"),
        ("s3://photos?endpoint=https://key:secret@host", "AWS_ACCESS_KEY_ID"),
        ("s3://photos?endpont=https://host", "'endpont'"),
        ("s3://photos?endpoint=host:9000", "https://host:port"),
        ("s3://photos?endpoint=https://host/path", "https://host:port"),
    ],
)
def test_what_is_neither_is_refused_and_no_secret_is_repeated(url, words):
    with pytest.raises(ImproperlyConfigured) as refusal:
        photo_store(url, DATA)
    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_bucket_without_boto3_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"'\.\[s3\]'"):
        photo_store("s3://photos", DATA)


@pytest.mark.parametrize(("word", "bucket"), [("redirect", None), ("accel", BUCKET), ("fast", None), ("fast", BUCKET)])
def test_a_delivery_that_does_not_fit_is_refused(word, bucket):
    with pytest.raises(ImproperlyConfigured, match=f"PHOTO_DELIVERY is '{word}'"):
        photo_delivery(word, bucket)


def test_signed_addresses_lead_to_a_place_that_the_policy_can_name():
    assert BUCKET.origin == "https://s3.factory:9000"
    assert Bucket("photos", region="eu-central-1").origin == "https://photos.s3.eu-central-1.amazonaws.com"
    with pytest.raises(ImproperlyConfigured, match="endpoint or a region"):
        photo_delivery("redirect", Bucket("photos"))
