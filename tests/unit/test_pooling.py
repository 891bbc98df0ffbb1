"""What DATABASE_POOL says becomes what Django and the driver are told."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.pooling import connect


def test_nothing_said_keeps_a_connection_a_thread():
    told = connect({}, "")
    assert (told["CONN_MAX_AGE"], told["CONN_HEALTH_CHECKS"], told["OPTIONS"]) == (60, True, {"prepare_threshold": 5})


def test_a_number_is_the_most_that_a_process_has():
    told = connect({"OPTIONS": {"sslmode": "require"}}, "4")
    assert told["CONN_MAX_AGE"] == 0, "Django refuses a pool of connections that live on"
    assert told["OPTIONS"]["pool"] == {"min_size": 1, "max_size": 4, "timeout": 5.0, "max_idle": 60}
    assert told["OPTIONS"]["sslmode"] == "require"


def test_behind_pgbouncer_nothing_is_kept_on_a_connection():
    told = connect({}, "transaction")
    assert (told["OPTIONS"]["prepare_threshold"], told["DISABLE_SERVER_SIDE_CURSORS"]) == (None, True)


@pytest.mark.parametrize("word", ["0", "-1", "many", "1.5"])
def test_other_words_are_refused_with_a_sentence(word):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOL is"):
        connect({}, word)
