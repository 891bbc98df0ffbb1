"""Completes the API's description: what every parameter means, how every call can fail, and examples of the main ones.

drf-spectacular writes operations and bodies from the code; this adds what holds for all of them alike, so that no view has
to repeat it. A test holds the whole description complete and its examples against the shapes that they show.
"""

from typing import Any

Json = dict[str, Any]

DESCRIPTION = """People and a model inspect phones for scratches; this is the API of the site.

**Who asks.** `Authorization: Token ...` (an admin makes one with `manage.py issue_token NAME`), or the session of a page. Each
call asks for a permission, which `docs/permissions.md` lists by role; an account that is bound to lines reaches only those.

**Errors** have one shape, `application/problem+json`: `title`, `status`, a sentence in `detail`, and in `errors` the fields or the
reasons. 409 is a rule that refuses now; 503 a database or disk that fails now: ask again after `Retry-After` seconds.

**Pages** go by cursor, newest first: follow `next` until it is null. **Times** are ISO 8601 in UTC.

**Sending again.** A part that is sent twice under one `Idempotency-Key` is stored once."""

# What a name means wherever it stands. A view that means something else says so itself.
PARAMETERS = {
    "id": "The number of the thing that the address names.",
    "slug": "The line's short name.",
    "line": "A line's short name.",
    "model": "The name of a model version.",
    "cursor": "The page, as `next` or `previous` of the last answer has it.",
    "state": "Only what is in this state now.",
    "station": "The short name of a station of the line.",
    "number": "The bundle's number on its line.",
    "serial": "Only parts of this serial.",
    "lot": "Only parts of this lot.",
    "kind": "Only discrepancies of this kind.",
    "open": "`true`: only what is still open; `false`: only what is not.",
    "retired": "`true`: only what was retired; `false`: only what was not.",
    "adjudicated": "`true`: only what a supervisor has settled; `false`: only what nobody has.",
    "evidence": "Which verdicts count: those given blind, or another kind.",
    "score_from": "Only answers with this score or a higher one.",
    "score_below": "Only answers with a lower score.",
    "action": "Only events of this name, such as `verdict_recorded`.",
    "subject": "Only events whose subject holds this text.",
    "format": "The form of the answer.",
    "study": "The number of a study: only its trials.",
    "after": "The number that the last answer gave as `next`; without one, the answer says where to begin.",
    "wait": "Wait up to so many seconds, at most 20, for the disposition.",
    "Idempotency-Key": "A key of the sender's own, at most 200 characters: the same part under the same key is stored once.",
}

FREE_OBJECT = {"type": "object", "additionalProperties": True}
# JSON whose keys are not the API's to fix: kinds of events, versions of certificates.
SHAPES: dict[tuple[str, str], Json] = {
    ("AuditEvent", "data"): {**FREE_OBJECT, "description": "What the event tells besides, by its action."},
    ("Change", "proposed"): {**FREE_OBJECT, "description": "The fields of the policy to be."},
    ("Change", "certificate"): {**FREE_OBJECT, "description": "What was certified when the change was asked for."},
    ("ChangeRequest", "policy"): {**FREE_OBJECT, "description": "Fields of the policy that are to change."},
    ("Finding", "examples"): {"type": "array", "items": {"type": "integer"}},
    ("ModelCard", "thresholds"): {"type": "array", "items": {"type": "number"}},
    ("ModelCard", "card"): FREE_OBJECT,
    ("Training", "options"): FREE_OBJECT,
    ("Training", "curve"): {"type": "array", "items": FREE_OBJECT},
    ("Training", "comparison"): FREE_OBJECT,
}

PROBLEM: Json = {
    "type": "object",
    "description": "Why a call was not done, in one shape for all calls.",
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the status says all about the kind."},
        "title": {"type": "string", "description": "The kind of refusal, in words."},
        "status": {"type": "integer", "description": "The status of the answer again."},
        "detail": {"type": "string", "description": "A sentence that says what is missing and what to do."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong, or the reasons of a rule.",
            "items": {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/FieldError"}]},
        },
    },
    "required": ["type", "title", "status", "detail", "errors"],
}
FIELD_ERROR: Json = {
    "type": "object",
    "description": "What is wrong with one field; an empty name is the body as a whole.",
    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    "required": ["field", "message"],
}

ERRORS = {
    400: "A field or a parameter cannot be taken; `errors` says which and why.",
    401: "Nobody is signed in: the token is missing, unknown, withdrawn or expired.",
    403: "The role or the line is not the account's.",
    404: "There is no such thing, or none that the account may know of.",
    409: "A rule refuses now, or the thing is no longer what the caller thought; `errors` are the reasons.",
    411: "The body has no length: send it with Content-Length, not in chunks.",
    503: "The database or a disk fails at the moment: send the call again.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}}

PART = {
    "id": 17, "serial": "SN0017", "line": "line-a", "station": "cam-1", "lot": "L7", "variant": "x2", "state": "decided",
    "origin": "live", "captured_at": "2026-03-04T05:06:07Z", "received_at": "2026-03-04T05:06:08Z",
    "photos": [
        {"id": 31, "sha256": "9f" * 32, "view": "front", "width": 2048, "height": 1536, "url": "/photos/31/"},
    ],
    "disposition": {"outcome": "pass", "by_machine": False, "reason": "judged ok", "at": "2026-03-04T05:06:21Z"},
}  # fmt: skip
CLAIM = {
    "inspection": {
        "id": 17, "serial": "SN0017", "lot": "L7", "line": "line-a", "station": "Camera 1", "variant": "X2",
        "unsure_refused": False, "photos": PART["photos"],
    },
    "lease": {"token": "5kq1Zr0m", "expires_at": "2026-03-04T05:11:07Z"},
}  # fmt: skip
LETTER = {
    "kind": "dispositions", "id": 4, "channel": "MES", "about": "12 dispositions", "events": 12, "attempts": 4,
    "error": "The answer was 422.", "at": "2026-03-04T05:06:07Z",
}  # fmt: skip
# By address and method: an example of what is sent, and of what is answered.
EXAMPLES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("/api/v1/inspections/{id}/", "get"): (None, PART),
    ("/api/v1/inspections/", "post"): (None, PART | {"state": "waiting", "disposition": None}),
    ("/api/v1/queue/claim/", "post"): ({"line": "line-a"}, CLAIM),
    ("/api/v1/inspections/{id}/verdicts/", "post"): (
        {
            "outcome": "scratched", "lease": "5kq1Zr0m", "duration_ms": 2100, "next": False,
            "defects": [{"photo": 31, "kind": "scratch", "severity": "minor", "box": [0.41, 0.2, 0.08, 0.02]}],
        },
        {
            "verdict": {
                "id": 9, "inspection": 17, "inspector": "ivy", "outcome": "scratched", "comment": "", "duration_ms": 2100,
                "at": "2026-03-04T05:06:21Z",
            },
            "disposition": {
                "outcome": "reject", "by_machine": False, "reason": "judged scratched", "at": "2026-03-04T05:06:21Z",
            },
        },
    ),
    ("/api/v1/dispositions/changes/", "get"): (
        None,
        {
            "results": [{
                "inspection": 17, "key": "cam-1/0017", "serial": "SN0017", "line": "line-a", "station": "cam-1", "lot": "L7",
                "variant": "X2", "captured_at": "2026-03-04T05:06:07Z",
                "disposition": {
                    "outcome": "reject", "by_machine": False, "reason": "judged scratched", "at": "2026-03-04T05:06:41Z",
                },
            }],
            "next": 8123,
        },
    ),
    ("/api/v1/dead-letters/", "get"): (None, {"results": [LETTER]}),
    ("/api/v1/dead-letters/send/", "post"): ({"channel": "MES"}, {"sent_again": 3}),
    ("/api/v1/dead-letters/{kind}/{id}/drop/", "post"): ({"reason": "The MES was told by hand."}, None),
}  # fmt: skip


def complete(result: Json, generator: Any, request: Any, public: bool) -> Json:
    """drf-spectacular's hook: the description with all that the module tells of."""
    schemas = result["components"]["schemas"]
    schemas |= {"Problem": PROBLEM, "FieldError": FIELD_ERROR}
    for (name, field), shape in SHAPES.items():
        told = schemas[name]["properties"][field]
        kept = {key: told[key] for key in ("description", "readOnly", "nullable", "default") if key in told}
        schemas[name]["properties"][field] = kept | shape
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return result


def _complete(path: str, method: str, operation: Json) -> None:
    for parameter in operation.get("parameters", []):
        if not parameter.get("description") and parameter["name"] in PARAMETERS:
            parameter["description"] = PARAMETERS[parameter["name"]]
    for status in _failures(path, method, operation):
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        headers = {"headers": RETRY_AFTER} if status == 503 else {}
        operation["responses"].setdefault(str(status), {"description": ERRORS[status], "content": content} | headers)
    for status, answer in operation["responses"].items():
        answer["description"] = answer.get("description") or SUCCESS[status]
    if "wait" in {parameter["name"] for parameter in operation.get("parameters", [])}:
        operation["responses"]["200"]["headers"] = RETRY_AFTER
    sent, answered = EXAMPLES.get((path, method), (None, None))
    if sent is not None:
        _show(operation["requestBody"]["content"], sent)
    if answered is not None:
        first = next(status for status in ("200", "201") if status in operation["responses"])
        _show(operation["responses"][first]["content"], answered)


SUCCESS = {"200": "Done, or what was asked for.", "201": "Made.", "204": "Done; there is nothing to say."}


def _failures(path: str, method: str, operation: Json) -> list[int]:
    """How a call of this form can fail."""
    takes_query = any(parameter["in"] == "query" for parameter in operation.get("parameters", []))
    body = "requestBody" in operation
    found = [401, 403, 503]
    if takes_query or body:
        found.append(400)
    if "{" in path or takes_query or body:  # a line, a version or a channel is named in all of these
        found.append(404)
    if method != "get":
        found.append(409)
    if body:
        found.append(411)
    return sorted(found)


def _show(content: Json, value: Any) -> None:
    content["application/json"]["examples"] = {"example": {"value": value}}
