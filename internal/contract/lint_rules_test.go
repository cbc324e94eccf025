package contract_test

var operationRules = []lintTest{
	{"has no operationId", drop("      operationId: signIn\n"), []string{
		"POST /v1/sign-in: give it an operationId in camelCase",
	}},
	{"has an operationId that is no name", replace("operationId: signIn", "operationId: sign-in"), []string{
		"sign-in: give it an operationId in camelCase",
	}},
	{"has no summary", drop("      summary: Sign in\n"), []string{"signIn: give it a summary"}},
	{"has no description", drop("      description: Stores a thing.\n"), []string{"putThing: give it a description"}},
	{"has no tag", in(signIn, drop("      tags: [thing]\n")), []string{"signIn: give it exactly one tag"}},
	{"has two tags", in(signIn, replace("[thing]", "[thing, thing]")), []string{"signIn: give it exactly one tag"}},
	{"has a tag that is not declared", in(signIn, replace("[thing]", "[other]")), []string{
		"signIn: tag other; declare it in tags",
	}},
	{"has no rate tier", in(listThings, drop("      x-rate-tier: read\n")), []string{
		"listThings: give it an x-rate-tier that x-rate-tiers declares",
	}},
	{"has a rate tier that is not declared", in(listThings, replace("x-rate-tier: read", "x-rate-tier: bulk")), []string{
		"listThings: give it an x-rate-tier that x-rate-tiers declares",
	}},
	{"has a path that is not in kebab-case", replace("/v1/sign-in:", "/v1/signIn:"), []string{
		"/v1/signIn: segment signIn; write it in kebab-case",
	}},
	{
		"has a path parameter that is not in camelCase",
		both(both(replace("/{thingId}:", "/{thing_id}:"), replace("{ name: thingId,", "{ name: thing_id,")), replace("path: { thingId:", "path: { thing_id:")),
		[]string{"/v1/small-things/{thing_id}: parameter thing_id; write it in camelCase"},
	},
	{"may be called without its body", in(signIn, replace("required: true", "required: false")), []string{
		"signIn: requestBody; set required: true, an optional body is not supported",
	}},
}

const keyParameter = "parameters: [{ name: Idempotency-Key, in: header, description: A key., schema: { type: string, maxLength: 10, pattern: \"^[a-z]+$\" } }]"

var repetitionRules = []lintTest{
	{"a POST neither takes a key nor says why", drop("      x-idempotency-exempt: Its answer holds a token.\n"), []string{
		"signIn: let it take the header Idempotency-Key, or say in x-idempotency-exempt why it does not",
	}},
	{"a POST says nothing about why", replace("Its answer holds a token.", `""`), []string{
		"signIn: x-idempotency-exempt; give the reason in words",
	}},
	{"the reason is no text", replace("Its answer holds a token.", "true"), []string{
		"signIn: x-idempotency-exempt; give the reason in words",
	}},
	{"a POST takes a key and says why not", in(signIn, replace("      requestBody:", "      "+keyParameter+"\n      requestBody:")), []string{
		"signIn: document the answer 409: the first request may be in progress",
		"signIn: document the answer 422: its key may be another request's",
		"signIn: x-idempotency-exempt; it takes the header Idempotency-Key",
	}},
	{"a public POST takes a key", replace("x-idempotency-exempt: Its answer holds a token.", keyParameter), []string{
		"signIn: Idempotency-Key needs a sign-in: a key is its user's",
		"signIn: document the answer 409: the first request may be in progress",
		"signIn: document the answer 422: its key may be another request's",
	}},
	{"a PUT says why it takes no key", in(putThing, replace("x-rate-tier: read", "x-rate-tier: read\n      x-idempotency-exempt: It needs none at all.")), []string{
		"putThing: Idempotency-Key is for POST; a repeated PUT does what it did",
	}},
}

var accessRules = []lintTest{
	{"a role holds what is not declared", replace(`permissions: ["thing:read"`, `permissions: ["thing:sell", "thing:read"`), []string{
		"x-roles: admin holds thing:sell; declare it in x-permissions",
	}},
	{"no role holds a permission", replace(`["thing:read", "thing:write"]`, `["thing:read"]`), []string{
		"x-permissions: no role holds thing:write; give it to one in x-roles, or remove it",
	}},
	{"a role has no description", replace("description: D, reach:", "reach:"), []string{
		"x-roles: admin; give it a description",
	}},
	{
		"a role holds what is of no use to it",
		both(replace("reach: institutions", "reach: students"), replace("x-permission: thing:write", "x-permission: thing:write\n      x-reach: tenant")),
		[]string{"x-roles: admin holds thing:write, which no operation takes from one that reaches only students; remove it"},
	},
	{"no operation needs a permission", replace("x-permission: thing:write", "x-permission: thing:read"), []string{
		"x-permissions: no operation needs thing:write; remove it",
	}},
	{"a permission has no purpose", replace("Change things }", `"" }`), []string{
		"x-permissions: thing:write; say what it is for",
	}},
	{"a rate tier allows nothing", replace("read: { requests: 10,", "read: { requests: 0,"), []string{
		"x-rate-tiers: read; give it a number of requests, and a duration such as 1m as per",
	}},
	{"a rate tier has no time", replace("login: { requests: 1, per: 1m }", "login: { requests: 1, per: soon }"), []string{
		"x-rate-tiers: login; give it a number of requests, and a duration such as 1m as per",
	}},
}

var answerRules = []lintTest{
	{"400", without(listThings, "400"), []string{
		"listThings x-negative-examples low: status 400; document this answer",
		"listThings: document the answer 400: every request can be malformed",
	}},
	{"500", without(listThings, "500"), []string{"listThings: document the answer 500: every operation can fail"}},
	{"503", without(listThings, "503"), []string{"listThings: document the answer 503: every operation can be unavailable"}},
	{"401", without(listThings, "401"), []string{"listThings: document the answer 401: it needs a sign-in, or is one"}},
	{"401 of the sign-in", without(signIn, "401"), []string{"signIn: document the answer 401: it needs a sign-in, or is one"}},
	{"403", without(listThings, "403"), []string{"listThings: document the answer 403: it needs a permission or a second factor, or changes something"}},
	{"404", without(putThing, "404"), []string{
		"putThing x-negative-examples unknown: status 404; document this answer",
		"putThing: document the answer 404: its path has a parameter",
	}},
	{"409", without(putThing, "409"), []string{"putThing: document the answer 409: it writes what it is sent"}},
	{"413", without(signIn, "413"), []string{"signIn: document the answer 413: it takes a body"}},
	{"415", without(signIn, "415"), []string{"signIn: document the answer 415: it takes a body"}},
	{"of the good request", in(signIn, drop("        \"204\": { description: Signed in }\n")), []string{
		"signIn: document the answer to a good request",
	}},
	{"default is refused", in(signIn, replace(`"204":`, "default: { $ref: \"#/components/responses/Problem\" }\n        \"204\":")), []string{
		"signIn: response default; document each status by itself",
	}},
	{"a range is refused", in(signIn, replace(`"204":`, "4XX: { $ref: \"#/components/responses/Problem\" }\n        \"204\":")), []string{
		"signIn: response 4XX; document each status by itself",
	}},
}

// without removes the answer of a status from an operation.
func without(operation, status string) mutation {
	return in(operation, drop("        \""+status+"\": { $ref: \"#/components/responses/Problem\" }\n"))
}

const putExample = "            examples: { new: { value: { label: A } } }\n"

var exampleRules = []lintTest{
	{"a request has none", in(signIn, both(
		drop("            examples: { good: { value: { password: rollcall } } }\n"),
		replace("request: good, merge: { password: null }", "body: {}"),
	)), []string{"signIn: application/json; give the request a named example"}},
	{"another JSON media type has none", in(putThing, replace(putExample+"      responses:", putExample+
		"          application/merge-patch+json:\n            schema: { $ref: \"#/components/schemas/Thing\" }\n      responses:")), []string{
		"putThing: application/merge-patch+json; give the request a named example",
	}},
	{"a good answer has none", drop("              examples: { all: { x-request: { query: { q: a } }, value: { data: [] } } }\n"), []string{
		"listThings: application/json; give the good answer a named example",
	}},
	{"an answer has none of the request's name", replace("  "+putExample, "  "+"            examples: { old: { value: { label: A } } }\n"), []string{
		"putThing: request example new; give a 2xx response an example of this name",
	}},
}

var negativeRules = []lintTest{
	{"are missing", in(listThings, drop("      x-negative-examples:\n        low: { query: { limit: \"0\" }, status: 400, errors: [{ in: query, field: limit, code: minimum }] }\n")), []string{
		"listThings: give it x-negative-examples",
	}},
	{"are no objects", in(listThings, replace("low: { query: { limit: \"0\" }, status: 400, errors: [{ in: query, field: limit, code: minimum }] }", "low: 400")), []string{
		"listThings: x-negative-examples; write a map of objects: x-negative-examples: json: cannot unmarshal number into Go value of type map[string]interface {}",
	}},
	{"have an unknown key", replace("summary: No such thing", "title: No such thing"), []string{
		"putThing x-negative-examples unknown: unknown key title; use summary, request, merge, body, query, path, headers, status, errors",
	}},
	{"name no request example", replace("request: good", "request: bad"), []string{
		"signIn x-negative-examples bad: request bad; name an example of the request",
	}},
	{"merge into nothing", drop("request: good, "), []string{
		"signIn x-negative-examples bad: merge; name the request example that it is merged into",
	}},
	{"have two bodies", replace("blank: { body:", "blank: { request: new, body:"), []string{
		"putThing x-negative-examples blank: body; give either body or request",
	}},
	{"have a body where none is taken", replace("low: { query:", "low: { body: {}, query:"), []string{
		"listThings x-negative-examples low: body; the operation takes none",
	}},
	{"have a query that is no object", replace(`query: { limit: "0" }`, "query: limit=0"), []string{
		"listThings x-negative-examples low: query; write it as an object",
	}},
	{"have headers that are no object", replace("headers: { Accept: text/html }", "headers: none"), []string{
		"putThing x-negative-examples blank: headers; write it as an object",
	}},
	{"name no path parameter", replace("path: { thingId:", "path: { otherId:"), []string{
		"putThing x-negative-examples unknown: path otherId; name a parameter of the path",
	}},
	{"have no status", drop("status: 404 "), []string{"putThing x-negative-examples unknown: give it a status"}},
	{"have a status that is not documented", replace("status: 404", "status: 412"), []string{
		"putThing x-negative-examples unknown: status 412; document this answer",
	}},
	{"are no failures", replace("status: 404", "status: 200"), []string{
		"putThing x-negative-examples unknown: status 200; a bad request gets a 4xx or 5xx",
	}},
	{"have errors that are no list", replace("errors: [{ in: query, field: limit, code: minimum }]", "errors: minimum"), []string{
		"listThings x-negative-examples low: errors; write a list of at least one, or leave it out",
	}},
	{"have an error that is no object", replace("errors: [{ in: query, field: limit, code: minimum }]", "errors: [minimum]"), []string{
		"listThings x-negative-examples low: errors[0]; write it as an object",
	}},
	{"have an error with an unknown key", replace("code: minimum }", "code: minimum, rule: minimum }"), []string{
		"listThings x-negative-examples low: errors[0]; unknown key rule; use in, field, pointer, code, message",
	}},
	{"have an error without its part", replace("{ in: query, field: limit,", "{ field: limit,"), []string{
		"listThings x-negative-examples low: errors[0]; give it an in of body, query, path, header, cookie",
	}},
	{"have an error without a field", drop("field: limit, "), []string{
		"listThings x-negative-examples low: errors[0]; give it a field",
	}},
	{"have an error without a code", drop(", code: minimum"), []string{
		"listThings x-negative-examples low: errors[0]; give it a code",
	}},
	{"have an error of the body without a pointer", drop(", pointer: /password"), []string{
		"signIn x-negative-examples bad: errors[0]; give it a pointer",
	}},
	{"have an error of the query with a pointer", replace("field: limit,", "field: limit, pointer: /limit,"), []string{
		"listThings x-negative-examples low: errors[0]; only faults of the body have a pointer",
	}},
	{"have a pointer that is none", replace("pointer: /password", "pointer: password"), []string{
		"signIn x-negative-examples bad: errors[0]; write pointer as a JSON pointer (RFC 6901)",
	}},
}

const (
	thingPlace = "#/components/schemas/Thing"
	boundText  = "bound it: give it a maxLength, an enum, or a format of uuid, date, date-time"
	boundRange = "bound it: give it a minimum and a maximum (a parameter may have x-cap for the latter)"
	boundNames = "bound it: give it additionalProperties: false, or maxProperties, x-max-bytes and x-max-depth"
)

var requestRules = []lintTest{
	{"a string is unbounded", property("label", "{ type: string, x-normalize: [nfc], description: D }"), []string{
		thingPlace + "/properties/label: " + boundText,
	}},
	{"an e-mail address is unbounded", property("email", "{ type: string, format: email, x-pii: email, description: D }"), []string{
		thingPlace + "/properties/email: " + boundText,
	}},
	{"a format is not checked", property("code", "{ type: string, format: hostname, maxLength: 5, description: D }"), []string{
		thingPlace + "/properties/code: format hostname is not checked; use one of email, time-zone, uuid, date, date-time",
	}},
	{"a number has no maximum", property("weight", "{ type: integer, minimum: 1, description: D }"), []string{
		thingPlace + "/properties/weight: " + boundRange,
	}},
	{"a number has no minimum", replace("type: number, minimum: 0,", "type: number,"), []string{
		"#/components/schemas/Part/properties/size: " + boundRange,
	}},
	{"a list is unbounded", drop("maxItems: 3, "), []string{thingPlace + "/properties/parts: bound it: give it maxItems"}},
	{"an object is open", drop("      additionalProperties: false\n      required: [label]\n"), []string{thingPlace + ": " + boundNames}},
	{"an object inside is open", in("    Part:", replace("additionalProperties: false", "additionalProperties: true")), []string{
		"#/components/schemas/Part: " + boundNames,
	}},
	{"an open object has no number of names", drop("      maxProperties: 5\n"), []string{"#/components/schemas/Extra: " + boundNames}},
	{"an open object has no size", drop("      x-max-bytes: 100\n"), []string{"#/components/schemas/Extra: " + boundNames}},
	{"an open object has no depth", drop("      x-max-depth: 2\n"), []string{"#/components/schemas/Extra: " + boundNames}},
	{"a schema is put together", property("extra", `{ description: D, type: object, additionalProperties: false, allOf: [{ $ref: "#/components/schemas/Extra" }] }`), []string{
		thingPlace + "/properties/extra: move the object to components/schemas and refer to it",
		thingPlace + "/properties/extra: write it without allOf, anyOf, oneOf and not; their faults have no place",
	}},
	{"a schema is read-only", property("weight", "{ type: integer, minimum: 1, maximum: 9, readOnly: true, description: D }"), []string{
		thingPlace + "/properties/weight: remove it: readOnly is what a client does not send",
	}},
	{"a schema has no type", property("weight", "{ description: D }"), []string{thingPlace + "/properties/weight: give it a type"}},
	{"a pattern is not anchored", property("code", `{ type: string, maxLength: 5, pattern: "[a-z]+", description: D }`), []string{
		thingPlace + "/properties/code: anchor the pattern: ^...$ around the whole of it",
	}},
	{"a pattern is anchored at one end at a time", property("code", `{ type: string, maxLength: 5, pattern: "^a|b$", description: D }`), []string{
		thingPlace + "/properties/code: anchor the pattern: ^...$ around the whole of it",
	}},
	{"a pattern is not Go's", property("code", `{ type: string, maxLength: 5, pattern: "^[\\u4E00-\\u9FFF]+$", description: D }`), []string{
		thingPlace + "/properties/code: write the pattern as Go's regexp reads it",
	}},
	{"free text is not normalised", property("label", "{ type: string, maxLength: 10, description: D }"), []string{
		thingPlace + "/properties/label: free text; give it x-normalize, or x-pii: secret",
	}},
	{"x-not-future stands on no date", property("label", "{ type: string, maxLength: 10, x-normalize: [nfc], x-not-future: true, description: D }"), []string{
		thingPlace + "/properties/label: x-not-future; only a string of format date is checked",
	}},
	{"x-normalize stands on no string", property("weight", "{ type: integer, minimum: 1, maximum: 9, x-normalize: [nfc], description: D }"), []string{
		thingPlace + "/properties/weight: x-normalize; only a string is normalised",
	}},
}

var parameterRules = []lintTest{
	{"has no description", drop("description: Rows a page., "), []string{"listThings parameter limit: give it a description"}},
	{"of the path has no description", drop("description: The thing., "), []string{"putThing parameter thingId: give it a description"}},
	{"is an unbounded string", replace("{ type: string, maxLength: 10, x-normalize: [nfc, trim] } }", "{ type: string, x-normalize: [nfc] } }"), []string{
		"listThings parameter q: " + boundText,
	}},
	{"is free text that is not normalised", replace("{ type: string, maxLength: 10, x-normalize: [nfc, trim] } }", "{ type: string, maxLength: 10 } }"), []string{
		"listThings parameter q: free text; give it x-normalize, or x-pii: secret",
	}},
	{"is an unbounded integer", replace("type: integer, minimum: 1, maximum: 10", "type: integer, minimum: 1"), []string{
		"listThings parameter page: " + boundRange,
	}},
	{"is capped above and unbounded below", replace("schema: { type: integer, minimum: 1 } }", "schema: { type: integer } }"), []string{
		"listThings parameter limit: " + boundRange,
	}},
	{"is a list", replace("{ type: integer, minimum: 1, maximum: 10 }", "{ type: array, maxItems: 3, items: { type: integer, minimum: 1, maximum: 10 } }"), []string{
		"listThings parameter page: give it a scalar type; a parameter is sent once",
	}},
	{"is a cookie", replace("name: q, in: query", "name: q, in: cookie"), []string{
		"listThings parameter q: in: cookie is not supported",
		"listThings parameter q: x-normalize; only query parameters and bodies are normalised",
	}},
	{"is a header that is normalised", replace(`The version known., schema: { type: string, maxLength: 10, pattern: "^[a-z]+$" }`, "The version known., schema: { type: string, maxLength: 10, x-normalize: [nfc] }"), []string{
		"listThings parameter If-None-Match: x-normalize; only query parameters and bodies are normalised",
	}},
	{"excludes what is not there", replace("x-excludes: [page]", "x-excludes: [pages]"), []string{
		"listThings parameter cursor: x-excludes pages; name a query parameter of the same operation",
	}},
	{"is capped and no integer", replace("description: A part of the name.,", "description: A part of the name., x-cap: 5,"), []string{
		"listThings parameter q: x-cap; only an integer in the query is capped",
	}},
}

var schemaRules = []lintTest{
	{"has no description", drop("      description: A part.\n"), []string{"#/components/schemas/Part: give it a description"}},
	{"has a property without a description", drop(", description: In words."), []string{
		"#/components/schemas/Problem/properties/title: give it a description",
	}},
	{"has a name that is not in PascalCase", both(replace("\n    Extra:", "\n    extra_things:"), replace("schemas/Extra", "schemas/extra_things")), []string{
		"#/components/schemas/extra_things: write the name in PascalCase",
	}},
	{"has a property that is not in camelCase", replace("madeOn:", "made_on:"), []string{
		thingPlace + "/properties/made_on: write the name in camelCase",
	}},
	{"has an object in a property", replace("title: { type: string, description: In words. }", "title: { type: object, description: In words. }"), []string{
		"#/components/schemas/Problem/properties/title: move the object to components/schemas and refer to it",
	}},
	{"has an object in a list", replace(`description: The things., items: { $ref: "#/components/schemas/Thing" }`, "description: The things., items: { type: object }"), []string{
		"#/components/schemas/ThingList/properties/data/items: move the object to components/schemas and refer to it",
	}},
	{"of an answer has no name", replace(`schema: { $ref: "#/components/schemas/ThingList" }`, "schema: { type: object }"), []string{
		"#/paths/~1v1~1small-things/get/responses/200/content/application~1json/schema: move the object to components/schemas and refer to it",
	}},
	{"has a personal property that is not marked", drop("x-pii: email, "), []string{thingPlace + "/properties/email: mark it with x-pii"}},
	{"of an answer has a personal property that is not marked", replace("        title:", "        lastName:"), []string{
		"#/components/schemas/Problem/properties/lastName: mark it with x-pii",
	}},
	{"has an unknown kind of personal data", replace("x-pii: email", "x-pii: mail"), []string{
		thingPlace + "/properties/email: x-pii mail; use one of name, email, phone, birth, national-id, address, secret",
	}},
}

func unknownKey(place string) []string {
	return []string{place + ": x-odd is not known here; docs/spec-extensions.md says what is"}
}

var extensionRules = []lintTest{
	{"at the root", replace("x-max-body-bytes: 1000", "x-max-body-bytes: 1000\nx-odd: 1"), unknownKey("#")},
	{"of the info", replace(`version: "1",`, `version: "1", x-odd: 1,`), unknownKey("#/info")},
	{"of the contact", replace("contact: { name: Tester", "contact: { x-odd: 1, name: Tester"), unknownKey("#/info/contact")},
	{"of a tag", replace("tags: [{ name: thing,", "tags: [{ x-odd: 1, name: thing,"), unknownKey("#/tags/0")},
	{"of the paths", replace("  /v1/sign-in:", "  x-odd: 1\n  /v1/sign-in:"), unknownKey("#/paths")},
	{"of a path", replace("  /v1/sign-in:", "  /v1/sign-in:\n    x-odd: 1"), unknownKey("#/paths/~1v1~1sign-in")},
	{"of an operation", replace(signIn, signIn+"\n      x-odd: 1"), unknownKey("#/paths/~1v1~1sign-in/post")},
	{"of a parameter", replace("{ name: q,", "{ x-odd: 1, name: q,"), unknownKey("#/paths/~1v1~1small-things/get/parameters/3")},
	{"of a request body", in(signIn, replace("required: true", "required: true\n        x-odd: 1")), unknownKey("#/paths/~1v1~1sign-in/post/requestBody")},
	{"of a request example", replace("good: { value:", "good: { x-odd: 1, value:"), unknownKey("#/paths/~1v1~1sign-in/post/requestBody/content/application~1json/examples/good")},
	{"of the responses", in(signIn, replace("      responses:", "      responses:\n        x-odd: 1")), unknownKey("#/paths/~1v1~1sign-in/post/responses")},
	{"of a response", in(signIn, replace("description: Signed in", "x-odd: 1, description: Signed in")), unknownKey("#/paths/~1v1~1sign-in/post/responses/204")},
	{"of a response's content", replace(`        application/problem+json:`, "        application/problem+json:\n          x-odd: 1"), unknownKey("#/components/responses/Problem/content/application~1problem+json")},
	{"of a response example", replace("all: { x-request:", "all: { x-odd: 1, x-request:"), unknownKey("#/paths/~1v1~1small-things/get/responses/200/content/application~1json/examples/all")},
	{"of a security scheme", replace("bearer: { type: http,", "bearer: { x-odd: 1, type: http,"), unknownKey("#/components/securitySchemes/bearer")},
	{"of a schema", replace("    Part:", "    Part:\n      x-odd: 1"), unknownKey("#/components/schemas/Part")},
	{"of a property", replace("title: { type: string,", "title: { x-odd: 1, type: string,"), unknownKey("#/components/schemas/Problem/properties/title")},
	{"of the items of a list", replace(`maxItems: 3, description: What it is made of., items: { $ref: "#/components/schemas/Part" }`, "maxItems: 3, description: D, items: { x-odd: 1, type: string, enum: [a] }"), unknownKey(thingPlace + "/properties/parts/items")},
	{"that belongs elsewhere", replace("{ name: q,", "{ x-pii: name, name: q,"), []string{
		"#/paths/~1v1~1small-things/get/parameters/3: x-pii is not known here; docs/spec-extensions.md says what is",
	}},
	{"of a response, on a request example", replace("good: { value:", "good: { x-request: {}, value:"), []string{
		"#/paths/~1v1~1sign-in/post/requestBody/content/application~1json/examples/good: x-request is not known here; docs/spec-extensions.md says what is",
	}},
	{"beside a reference", replace(`extra: { $ref: "#/components/schemas/Extra" }`, `extra: { $ref: "#/components/schemas/Extra", x-pii: name }`), []string{
		thingPlace + "/properties/extra: x-pii; beside a $ref it is ignored, write it at the target",
	}},
}
