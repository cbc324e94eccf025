package contract_test

var replayRules = []lintTest{
	{"an undo that is no operation", replace(signIn, signIn+"\n      x-undo: signOff"), []string{"signIn: x-undo signOff; name an operation"}},
	{"an undo", replace(signIn, signIn+"\n      x-undo: listThings"), nil},
	{"a reason for a status", both(replace(listThings, listThings+"\n      x-no-example: { \"403\": Everybody may. }"),
		replace("x-max-body-bytes: 1000", "x-max-body-bytes: 1000\nx-no-example: { \"429\": Takes too many. }")), nil},
	{"no reason", replace(listThings, listThings+"\n      x-no-example: { \"403\": \"\" }"), []string{
		"listThings: x-no-example 403; give the reason",
	}},
	{"a reason for what is not documented", replace(listThings, listThings+"\n      x-no-example: { \"418\": No tea. }"), []string{
		"listThings: x-no-example 418; the answer is not documented",
	}},
	{"a reason for no status", replace("x-max-body-bytes: 1000", "x-max-body-bytes: 1000\nx-no-example: { some: Reason. }"), []string{
		"x-no-example: x-no-example some; name a status",
	}},
	{"a request of an unknown kind", replace("x-request: { query:", "x-request: { quarry:"), []string{
		"listThings response 200 example all: x-request; unknown key quarry, use path, query, headers, as, after",
	}},
	{"a request after what is no operation", replace("x-request: { query: { q: a }", "x-request: { after: never"), []string{
		"listThings response 200 example all: x-request after never; name an operation",
	}},
	{"a request of nobody known", replace("x-request: { query: { q: a }", "x-request: { as: nobody"), []string{
		"listThings response 200 example all: x-request as nobody; name an example of a sign-in",
	}},
	{"a request as a sign-in, of an answer without a body", replace("{ description: Signed in }", "{ description: Signed in, x-request: { as: good } }"), nil},
	{"an unknown way to compare", property("label", "{ type: string, minLength: 1, maxLength: 10, x-normalize: [nfc, trim], x-compare: roughly, description: D }"), []string{
		thingPlace + "/properties/label: x-compare roughly; use type or at-least",
	}},
	{"a list of which each is unique", property("parts", `{ type: array, maxItems: 3, x-unique: true, description: D, items: { $ref: "#/components/schemas/Part" } }`), []string{
		thingPlace + "/properties/parts: x-unique; true, on a string or an integer",
	}},
}
