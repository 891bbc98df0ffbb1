"""What the API answers has the shape that its description says."""

from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator


def with_null(shape: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type of its own."""
    if isinstance(shape, list):
        return [with_null(each) for each in shape]
    if not isinstance(shape, dict):
        return shape
    told = {key: with_null(value) for key, value in shape.items() if key != "nullable"}
    return {"anyOf": [told, {"type": "null"}]} if shape.get("nullable") is True else told


@pytest.fixture(scope="module")
def description():
    return with_null(SchemaGenerator().get_schema(request=None, public=True))


@pytest.mark.django_db
def test_every_list_answers_in_the_shape_that_is_described(
    description, api, ada, judge, make_part, shadowed, answer, version, ivy
):
    judged = make_part()
    answer(judged, version, 0.9)
    judge(judged, ivy, "ok")
    make_part()
    client, read = api(ada), set()
    for path, operations in description["paths"].items():
        told = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json")
        if "{" in path or told is None:
            continue
        response = client.get(path)
        if response.status_code != 200:
            assert response.status_code == 400, path  # it needs a line
            response = client.get(path, {"line": "line-a"})
            assert response.status_code == 200, path
        jsonschema.validate(response.json(), {**told["schema"], "components": description["components"]})
        read.add(path)
    assert {"/api/v1/inspections/", "/api/v1/predictions/", "/api/v1/audit/", "/api/v1/discrepancies/"} <= read
    assert len(client.get("/api/v1/inspections/").json()["results"]) == 2
