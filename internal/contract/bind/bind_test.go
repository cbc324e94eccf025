package bind_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/oapi-codegen/runtime"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/contract/bind"
	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// agree binds in both ways, and reports whether they succeed.
func agree(t *testing.T, value any, of reflect.Type) bool {
	t.Helper()
	want, got := reflect.New(of), reflect.New(of)
	wantErr, gotErr := runtime.BindJSONValue(value, want.Interface()), bind.Value(value, got.Interface())
	assert.Equal(t, wantErr == nil, gotErr == nil, "%v: oapi-codegen says %v, bind %v", value, wantErr, gotErr)
	assert.Equal(t, want.Interface(), got.Interface(), "%v", value)
	return gotErr == nil
}

// everything has a member of each kind that generated types have, and of some that they do not have.
type everything struct {
	ID      uuid.UUID                 `json:"id"`
	Day     *openapi_types.Date       `json:"day,omitempty"`
	Text    string                    `json:"text"`
	Custom  *json.RawMessage          `json:"custom,omitempty"`
	Number  int32                     `json:"number"`
	Large   *int64                    `json:"large,omitempty"`
	Yes     *bool                     `json:"yes,omitempty"`
	List    *[]everything             `json:"list,omitempty"`
	Self    *everything               `json:"self,omitempty"`
	Cleared nullable.Nullable[string] `json:"cleared,omitempty"`
	Map     map[string]int            `json:"map,omitempty"`
	Bytes   []byte                    `json:"bytes,omitempty"`
	Any     any                       `json:"any,omitempty"`
	Float   float64                   `json:"float,omitempty"`
	Emails  []openapi_types.Email     `json:"emails,omitempty"`
	Quoted  quoted                    `json:"quoted"`
	Within  embedding                 `json:"within"`
	Hidden  string                    `json:"-"`
}

type quoted struct {
	N int `json:"n,string"`
}

type embedding struct {
	quoted

	M string `json:"m"`
}

func TestValue_isWhatOapiCodegenMakesOfIt(t *testing.T) {
	t.Parallel()
	for text, fits := range map[string]bool{
		`{"id": "01900000-0000-7000-8000-000000000101", "day": "2026-06-01", "text": "x", "number": 7, "large": 9007199254740993, "yes": true}`: true,
		`{"custom": {"b": [1, 2.50], "a": null}, "cleared": null, "map": {"a": 1}, "bytes": "aGk=", "any": {"n": 1.5}, "float": 1e2}`:           true,
		`{"list": [{"text": "a"}, {"list": [], "self": {"self": null}}], "cleared": "x", "emails": ["a@b.example"]}`:                            true,
		`{"quoted": {"n": "5"}, "within": {"n": "6", "m": "x"}, "hidden": "x", "Hidden": "x", "-": "x", "TEXT": "x", "unknown": 1}`:             true,
		`{"id": null, "day": null, "text": null, "number": null, "yes": null, "list": null, "self": null, "custom": null, "map": null}`:         true,
		`{}`:                     true,
		`null`:                   true,
		`{"id": "x"}`:            false,
		`{"id": 5}`:              false,
		`{"day": "2026-02-30"}`:  false,
		`{"day": 5}`:             false,
		`{"text": 5}`:            false,
		`{"number": "5"}`:        false,
		`{"number": 2147483648}`: false,
		`{"number": 1.5}`:        false,
		`{"yes": "true"}`:        false,
		`{"list": {}}`:           false,
		`{"self": []}`:           false,
		`[]`:                     false,
	} {
		value, err := strictjson.Decode([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, fits, agree(t, value, reflect.TypeFor[everything]()), text)
	}
}

func TestValue_leavesTheTargetAloneWhenItFails(t *testing.T) {
	t.Parallel()
	target := everything{Text: "before"}
	require.Error(t, bind.Value(map[string]any{"text": "after", "id": "x"}, &target))
	assert.Equal(t, everything{Text: "before"}, target)
	require.Error(t, bind.Value("x", target))
	require.Error(t, bind.Value("x", (*string)(nil)))
}

// bodies are the generated types of the requests with the largest bodies.
var bodies = map[string]reflect.Type{
	"admitStudent": reflect.TypeFor[api.StudentAdmission](), "admitStudents": reflect.TypeFor[api.AdmitStudentsJSONRequestBody](),
	"updateStudent": reflect.TypeFor[api.UpdateStudentJSONRequestBody](), "markAttendance": reflect.TypeFor[api.MarkAttendanceJSONRequestBody](),
	"createExam": reflect.TypeFor[api.CreateExamJSONRequestBody](), "createUser": reflect.TypeFor[api.CreateUserJSONRequestBody](),
	"createInstitution": reflect.TypeFor[api.CreateInstitutionJSONRequestBody](), "login": reflect.TypeFor[api.LoginJSONRequestBody](),
}

func TestValue_bindsTheExamplesOfTheDocument(t *testing.T) {
	t.Parallel()
	document, err := contract.Load()
	require.NoError(t, err)
	for id, of := range bodies {
		op := document.Operations[id]
		require.NotNil(t, op, id)
		examples := examplesOf(op)
		require.NotEmpty(t, examples, id)
		for _, example := range examples {
			raw, err := json.Marshal(example)
			require.NoError(t, err)
			value, err := strictjson.Decode(raw)
			require.NoError(t, err)
			assert.True(t, agree(t, value, of), "%s %s", id, raw)
		}
	}
}

func examplesOf(op *contract.Operation) []any {
	var all []any
	for _, content := range op.Spec.RequestBody.Value.Content {
		for _, example := range slices.Collect(maps.Values[openapi3.Examples](content.Examples)) {
			all = append(all, example.Value.Value)
		}
	}
	return all
}
