"""The API's description is whole: every call with its words, parameters, bodies, failures, and examples that fit."""

import re

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config.api_description import EXAMPLES, PARAMETERS, SHAPES
from tests.unit.test_api_schema import with_null

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def described():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(described):
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def is_free(shape) -> bool:
    """An object of which nothing is said: fit for a field that says so, never for a whole body."""
    return shape.get("type") == "object" and not shape.get("properties") and not shape.get("additionalProperties")


def is_typed(shape) -> bool:
    """Whether a shape says what stands in it, down to the last field."""
    if "$ref" in shape:
        return True
    if several := next((shape[key] for key in ("oneOf", "allOf", "anyOf") if key in shape), None):
        return all(map(is_typed, several))
    if shape.get("type") == "array":
        return is_typed(shape["items"])
    if shape.get("type") == "object":
        named = shape.get("properties")
        return all(map(is_typed, named.values())) if named else "additionalProperties" in shape
    return "type" in shape or "enum" in shape


def gaps(operation) -> list[str]:
    """What an operation leaves unsaid."""
    found = [] if operation.get("description") else ["no words"]
    found += [f"no words for {p['name']}" for p in operation.get("parameters", []) if not p.get("description")]
    contents = {"request": operation.get("requestBody", {}).get("content", {})}
    contents |= {status: answer.get("content", {}) for status, answer in operation["responses"].items()}
    found += [
        f"no shape of {name} as {kind}"
        for name, content in contents.items()
        for kind, body in content.items()
        if is_free(body.get("schema", {})) or not is_typed(body.get("schema", {}))
    ]
    found += [f"{code}: no words" for code, answer in operation["responses"].items() if not answer.get("description")]
    for code in {"401", "403", "503"} | ({"400"} if "requestBody" in operation else set()):
        content = operation["responses"].get(code, {}).get("content", {})
        if content.get("application/problem+json", {}).get("schema") != PROBLEM:
            found.append(f"{code} is not told")
    if not {"200", "201", "204"} & set(operation["responses"]):
        found.append("no success")
    return found


def test_every_call_is_described_with_its_parameters_bodies_and_failures(described):
    found = {name: missing for name, operation in operations(described) if (missing := gaps(operation))}
    assert found == {}


def test_every_shape_is_typed_down_to_its_fields(described):
    assert [name for name, shape in described["components"]["schemas"].items() if not is_typed(shape)] == []


def test_what_is_not_told_is_found():
    """The measure itself: an operation that says nothing has every gap."""
    bare = {
        "parameters": [{"name": "x"}], "responses": {"200": {"content": {"application/json": {"schema": {}}}}},
    }  # fmt: skip
    assert set(gaps(bare)) == {
        "no words", "no words for x", "no shape of 200 as application/json", "200: no words", "401 is not told",
        "403 is not told", "503 is not told",
    }  # fmt: skip


def test_it_is_valid_openapi_and_each_call_has_a_name_of_its_own(described):
    validate_schema(described)
    names = [operation["operationId"] for _name, operation in operations(described)]
    assert len(names) == len(set(names))
    assert [name for name in names if re.search(r"_\d+$", name)] == []


def test_the_examples_fit_the_shapes_that_they_show(described):
    components = with_null(described["components"])
    shown = 0
    for name, operation in operations(described):
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for example in content.get("application/json", {}).get("examples", {}).values():
                schema = with_null(content["application/json"]["schema"])
                jsonschema.validate(example["value"], schema | {"components": components}), name
                shown += 1
    assert shown == sum(value is not None for pair in EXAMPLES.values() for value in pair)


def test_nothing_stands_in_the_tables_that_the_api_does_not_have(described):
    named = {
        parameter["name"] for _name, operation in operations(described) for parameter in operation.get("parameters", [])
    }
    assert set(PARAMETERS) <= named
    assert {name for name, _field in SHAPES} <= set(described["components"]["schemas"])


@pytest.mark.django_db
def test_failures_answer_in_the_shape_that_is_described(described, api, ada, ivy, cam, line):
    shape = with_null(described["components"]["schemas"]["Problem"]) | {
        "components": with_null(described["components"])
    }
    answers = [
        api(None).get("/api/v1/inspections/"), api(ivy).get("/api/v1/alarms/"), api(ada).get("/api/v1/alarms/1/"),
        api(ivy).post("/api/v1/queue/claim/", {}), api(ada).get("/api/v1/dispositions/export/", {"after": "x"}),
        api(ada).post("/api/v1/lines/line-a/automation/changes/", {"level": "full", "reason": "now"}),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401, 403, 404, 400, 400, 409]
    for answer in answers:
        assert answer["Content-Type"] == "application/problem+json"
        jsonschema.validate(answer.json(), shape)


@pytest.mark.django_db
def test_what_is_written_out_by_hand_has_the_shape_that_is_described(
    described, api, ada, shadowed, version, other_version, set_level, make_evidence, ivy, make_part, answer
):
    make_evidence(shadowed, version, 60, 0.02, "ok", by=ivy)
    make_evidence(shadowed, version, 10, 0.9, "scratched", by=ivy)
    set_level(shadowed, "assist", version, blind_share=0.001)
    answer(make_part(serial="SN2"), version, 0.9, marks=[{"photo": 0, "box": [0.1, 0.1, 0.2, 0.2], "score": 0.8}])
    client, at = api(ada), "/api/v1/lines/line-a/automation/"
    held = client.post("/api/v1/queue/claim/", {"line": "line-a", "serial": "SN2"}).json()["inspection"]["id"]
    policy = {"pass_below": 0.1, "reject_from": 0.5}
    answers = {
        "/api/v1/inspections/{id}/advice/": client.get(f"/api/v1/inspections/{held}/advice/"),
        "/api/v1/lines/{slug}/automation/": client.get(at),
        "/api/v1/lines/{slug}/automation/what-if/": client.post(f"{at}what-if/", {"policy": policy}),
        "/api/v1/lines/{slug}/automation/standby/": client.post(f"{at}standby/", {"model": "v2", "reason": "x"}),
        "/api/v1/lines/{slug}/automation/rollback/": client.post(f"{at}rollback/", {"reason": "x"}),
    }
    components = with_null(described["components"])
    for path, answered in answers.items():
        assert answered.status_code in (200, 201), (path, answered.content)
        [operation] = described["paths"][path].values()
        schema = operation["responses"][str(answered.status_code)]["content"]["application/json"]["schema"]
        jsonschema.validate(answered.json(), with_null(schema) | {"components": components})
        named = components["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
        assert set(answered.json()) == set(named), path
