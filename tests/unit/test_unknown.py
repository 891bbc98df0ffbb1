"""An address that does not exist: the API's shape for a machine, a page for a person."""

import pytest


@pytest.mark.parametrize("path", ["inspections/-5/skip/", "lines/ö/automation/", "nothing"])
def test_an_address_that_the_api_has_not_is_told_in_its_own_shape(client, db, path):
    answer = client.post(f"/api/v1/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "detail", "errors"}


def test_elsewhere_it_is_a_page(client, db):
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert b"There is no such page" in answer.content
