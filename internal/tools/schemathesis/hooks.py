"""What Schemathesis has to know of Rollcall: how to sign in, and what a schema cannot say."""

import itertools
import json
import os
import urllib.request

import schemathesis

BASE_URL = os.environ["ROLLCALL_URL"]

# These end the session that calls them or give it another token, so each of their requests has one of its own.
ENDING = {"login", "logout", "revokeSession", "revokeUserSession", "verifyMfa", "activateMfa"}

# What a schema can say. A request that fits its schema is never refused for one of these.
KEYWORDS = {
    "additionalProperties", "enum", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength",
    "minProperties", "minimum", "multipleOf", "nullable", "pattern", "required", "type", "uniqueItems",
}  # fmt: skip


def sign_in():
    body = {"tenant": "demo", "email": "admin@demo.school", "password": "rollcall demo 2026"}
    request = urllib.request.Request(
        BASE_URL + "/v1/auth/login", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["token"]


count = itertools.count()


def session_of(case, context):
    """One session for all, but one for each request that may end it."""
    return next(count) if context.operation.definition.raw.get("operationId") in ENDING else "shared"


@schemathesis.auth(cache_by_key=session_of)
class Bearer:
    def get(self, case, context):
        return sign_in()

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


@schemathesis.hook
def filter_case(context, case):
    return not (normalised_away(case.body) or normalised_away(case.query))


@schemathesis.check
def refused_only_for_what_a_schema_cannot_say(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    errors = response.json().get("errors", [])
    assert errors, "a 400 without errors"
    wrong = [error for error in errors if error["code"] in KEYWORDS]
    assert not wrong, f"fits its schema and was refused by it: {wrong}"
