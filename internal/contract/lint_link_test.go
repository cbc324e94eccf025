package contract_test

// linked gives the list of things a link, written out, or another member of its answer.
func linked(members string) mutation {
	return replace("          description: Things\n", "          description: Things\n          "+members+"\n")
}

func linkTo(operation, parameters string) mutation {
	return linked("links: { put: { operationId: " + operation + ", parameters: { " + parameters + " } } }")
}

var linkRules = []lintTest{
	{"takes a member of the answer", linkTo("putThing", `thingId: "$response.body#/data/0/code"`), nil},
	{"takes a parameter of the request", linkTo("putThing", `thingId: "$request.query.q"`), nil},
	{"leads to no operation", linkTo("getThing", `thingId: "$request.query.q"`), []string{
		"listThings response 200 link put: operationId getThing; name an operation",
	}},
	{"gives a parameter that is none", linkTo("putThing", `thingID: "$request.query.q"`), []string{
		"listThings response 200 link put: parameter thingID; putThing has none of this name",
		"listThings response 200 link put: say where the parameter thingId of putThing comes from",
	}},
	{"takes a member that the answer does not have", linkTo("putThing", `thingId: "$response.body#/data/0/id"`), []string{
		"listThings response 200 link put: parameter thingId: $response.body#/data/0/id is no value of request or response",
	}},
	{"takes a parameter that the request does not have", linkTo("putThing", `thingId: "$request.path.q"`), []string{
		"listThings response 200 link put: parameter thingId: $request.path.q is no value of request or response",
	}},
	{"takes no expression", linkTo("putThing", "thingId: 17"), []string{
		"listThings response 200 link put: parameter thingId: 17 is no value of request or response",
	}},
	{"a Location leads to what nobody can read", linked("headers: { Location: { description: Where., schema: { type: string } } }"), []string{
		"listThings response 200: links; add one to the operation that reads what was made",
	}},
}
