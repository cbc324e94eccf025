"""What Schemathesis has to know of Rollcall: how to sign in, and what a schema cannot say."""

import itertools
import json
import os
import urllib.request
import uuid
import zoneinfo

import schemathesis
from hypothesis import strategies

BASE_URL = os.environ["ROLLCALL_URL"]

# Who signs in for the run (internal/seed). Without the account, or the role, everything would be a 401 or 403.
ADMIN = "01900000-0000-7000-8000-000000000501"

# These end the session that calls them or give it another token, so each of their requests has one of its own.
ENDING = {"login", "logout", "revokeSession", "revokeUserSession", "verifyMfa", "activateMfa"}

# What a schema can say. A request that fits its schema is never refused for one of these.
KEYWORDS = {
    "additionalProperties", "enum", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength",
    "minProperties", "minimum", "multipleOf", "nullable", "pattern", "required", "type", "uniqueItems",
}  # fmt: skip

# Rules of two fields or of the data that are called as the keyword they are like: marks unless absent, at most the paper's.
LIKE_A_KEYWORD = {("recordExamResults", "marks", "required"), ("recordExamResults", "marks", "maximum")}

schemathesis.openapi.format("time-zone", strategies.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})))


def call(method, path, token=None, body=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(BASE_URL + path, data, headers, method=method)) as response:
        return json.load(response)


def sign_in():
    body = {"tenant": "demo", "email": "admin@demo.school", "password": "rollcall demo 2026"}
    return call("POST", "/v1/auth/login", body=body)["token"]


count = itertools.count()
shared = None  # the session that most requests share


def operation_id(case_or_context):
    return case_or_context.operation.definition.raw.get("operationId")


def session_of(case, context):
    """One session for all, but one for each request that may end it."""
    return next(count) if operation_id(context) in ENDING else "shared"


@schemathesis.auth(cache_by_key=session_of)
class Bearer:
    def get(self, case, context):
        global shared
        token = sign_in()
        if operation_id(context) not in ENDING:
            shared = call("GET", "/v1/auth/session", token)["id"]
        return token

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def normalised_away(value):
    """Whether x-normalize might change a text: then it is another one by the time it is checked."""
    if isinstance(value, str):
        return value != value.strip() or any(c in "<>&" or not c.isprintable() for c in value)
    if isinstance(value, dict):
        return any(normalised_away(k) or normalised_away(v) for k, v in value.items())
    if isinstance(value, list):
        return any(normalised_away(v) for v in value)
    return False


def saws_off_its_branch(case):
    """Whether it would take the account, the role or the session away that the run is signed in with."""
    ids = case.path_parameters or {}
    return ids.get("sessionId") == shared or (ids.get("userId") == ADMIN and case.method in ("PATCH", "PUT", "DELETE"))


@schemathesis.hook
def filter_case(context, case):
    return not (normalised_away(case.body) or normalised_away(case.query) or saws_off_its_branch(case))


def ids_of_examples():
    """The ids in the examples of request bodies, by member: the first of each, which belong together (internal/seed)."""
    ids = {}

    def collect(value):
        for member, inner in value.items() if isinstance(value, dict) else ():
            if member.endswith("Id") and isinstance(inner, str):
                ids.setdefault(member, inner)
            collect(inner)
        for inner in value if isinstance(value, list) else ():
            collect(inner)

    document = call("GET", "/openapi.json")
    admission = document["paths"]["/v1/students"]["post"]
    for operation in [admission] + [o for path in document["paths"].values() for o in path.values() if isinstance(o, dict)]:
        for content in operation.get("requestBody", {}).get("content", {}).values():
            collect([example.get("value") for example in content.get("examples", {}).values()])
    return ids


IDS = ids_of_examples()


def is_id(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


@schemathesis.hook
def map_body(context, body):
    """Makes every other made-up id one of the demo school, or nothing that refers to something would ever be accepted."""
    if isinstance(body, list):
        return [map_body(context, item) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        member: IDS[member] if member in IDS and is_id(value) and value[-1] in "02468ace" else map_body(context, value)
        for member, value in body.items()
    }


@schemathesis.check
def refused_only_for_what_a_schema_cannot_say(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    errors = response.json().get("errors", [])
    assert errors, "a 400 without errors"
    wrong = [
        error
        for error in errors
        if error["code"] in KEYWORDS
        and (operation_id(case), error["field"].rpartition(".")[2], error["code"]) not in LIKE_A_KEYWORD
    ]
    assert not wrong, f"fits its schema and was refused by it: {wrong}"
