package contract

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// place is a kind of object in the document: the extensions that it may have, and the kinds of its members. A kind with
// {} behind it is a map of such objects, with [] a list. What is no member listed here, such as the value of an example,
// is not looked into.
type place struct {
	extensions []string
	members    map[string]string
	each       string // the kind of every other member
}

// places are all kinds of objects. An extension that stands where no place allows it is refused, so that a misspelt one
// cannot pass for one that is obeyed. docs/spec-extensions.md explains them; a test holds it to this table.
var places = map[string]place{
	"document": {
		extensions: []string{"x-permissions", "x-roles", "x-rate-tiers", "x-max-body-bytes"},
		members: map[string]string{
			"info": "info", "servers": "server[]", "tags": "tag[]", "paths": "paths", "components": "components",
			"externalDocs": "leaf",
		},
	},
	"info":   {members: map[string]string{"contact": "leaf", "license": "leaf"}},
	"server": {members: map[string]string{"variables": "leaf{}"}},
	"tag":    {members: map[string]string{"externalDocs": "leaf"}},
	"leaf":   {},
	"components": {members: map[string]string{
		"schemas": "schema{}", "parameters": "parameter{}", "headers": "header{}", "responses": "response{}",
		"requestBodies": "requestBody{}", "examples": "responseExample{}", "securitySchemes": "securityScheme{}",
		"links": "leaf{}", "callbacks": "paths{}",
	}},
	"securityScheme": {members: map[string]string{"flows": "flows"}},
	"flows":          {each: "leaf"},
	"paths":          {each: "path"},
	"path":           {members: map[string]string{"parameters": "parameter[]", "servers": "server[]"}, each: "operation"},
	"operation": {
		extensions: []string{"x-permission", "x-further-permissions", "x-reach", "x-mfa", "x-fresh-factor", "x-rate-tier", "x-max-body-bytes", "x-idempotency-exempt", "x-negative-examples"},
		members: map[string]string{
			"parameters": "parameter[]", "requestBody": "requestBody", "responses": "responses", "callbacks": "paths{}",
			"servers": "server[]", "externalDocs": "leaf",
		},
	},
	"parameter": {
		extensions: []string{"x-cap", "x-excludes"},
		members:    map[string]string{"schema": "schema", "content": "content{}", "examples": "leaf{}"},
	},
	"header":      {members: map[string]string{"schema": "schema", "content": "content{}", "examples": "leaf{}"}},
	"requestBody": {members: map[string]string{"content": "content{}"}},
	"content":     {members: map[string]string{"schema": "schema", "examples": "leaf{}", "encoding": "encoding{}"}},
	"encoding":    {members: map[string]string{"headers": "header{}"}},
	"responses":   {each: "response"},
	"response": {members: map[string]string{
		"content": "responseContent{}", "headers": "header{}", "links": "leaf{}",
	}},
	"responseContent": {members: map[string]string{
		"schema": "schema", "examples": "responseExample{}", "encoding": "encoding{}",
	}},
	"responseExample": {extensions: []string{"x-request"}},
	"schema": {
		extensions: []string{
			"x-normalize", "x-pii", "x-not-future", "x-max-bytes", "x-max-depth", "x-unique-by", "x-go-type", "x-go-type-import", "x-enum-varnames",
		},
		members: map[string]string{
			"properties": "schema{}", "items": "schema", "additionalProperties": "schema", "not": "schema",
			"allOf": "schema[]", "anyOf": "schema[]", "oneOf": "schema[]",
			"discriminator": "leaf", "xml": "leaf", "externalDocs": "leaf",
		},
	},
}

// tree is the document as plain values.
func (l *linter) tree() any {
	var tree any
	if err := json.Unmarshal(l.JSON, &tree); err != nil {
		l.addf("#", "cannot be read as JSON: %v", err)
	}
	return tree
}

// extensions refuses the extensions of an object of a kind, and of all below it, that do not belong where they are.
func (l *linter) extensions(at jsontext.Pointer, kind string, node any) {
	if inner, isList := strings.CutSuffix(kind, "[]"); isList {
		list, _ := node.([]any)
		for i, item := range list {
			l.extensions(at.AppendToken(strconv.Itoa(i)), inner, item)
		}
		return
	}
	object, _ := node.(map[string]any)
	inner, isMap := strings.CutSuffix(kind, "{}")
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if isMap {
			l.extensions(at.AppendToken(key), inner, object[key])
		} else {
			l.member(at, kind, key, object)
		}
	}
}

func (l *linter) member(at jsontext.Pointer, kind, key string, object map[string]any) {
	here := places[kind]
	inner, known := here.members[key]
	_, isRef := object["$ref"]
	switch {
	case isRef && strings.HasPrefix(key, "x-"):
		l.addf("#"+string(at), "%s; beside a $ref it is ignored, write it at the target", key)
	case slices.Contains(here.extensions, key):
	case strings.HasPrefix(key, "x-"):
		l.addf("#"+string(at), "%s is not known here; docs/spec-extensions.md says what is", key)
	case known:
		l.extensions(at.AppendToken(key), inner, object[key])
	case here.each != "":
		l.extensions(at.AppendToken(key), here.each, object[key])
	}
}
