package strictjson_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// The numbers that Decode returns go to kin-openapi as they are, so what it
// makes of a json.Number is part of what this package relies on.
func TestTheValidatorReadsTheNumbers(t *testing.T) {
	t.Parallel()
	small := openapi3.NewIntegerSchema().WithMin(1).WithMax(100)
	tests := map[string]struct {
		schema *openapi3.Schema
		in     string
		valid  bool
	}{
		"an integer in range":                     {small, `7`, true},
		"an integer out of range":                 {small, `101`, false},
		"a fraction is no integer":                {small, `1.5`, false},
		"a whole number spelt with a point is":    {small, `1.0`, true},
		"twenty nines are out of range":           {small, `99999999999999999999`, false},
		"a huge exponent is refused":              {small, `1e999999999`, false},
		"a huge exponent in a free number is too": {openapi3.NewFloat64Schema(), `1e999999999`, false},
		"a huge negative exponent rounds to zero": {openapi3.NewFloat64Schema(), `1e-999999999`, true},
		"twenty nines are no int64":               {openapi3.NewInt64Schema(), `99999999999999999999`, false},
		"2^31 is no int32":                        {openapi3.NewInt32Schema(), `2147483648`, false},
		"an enum compares values, not spelling":   {openapi3.NewIntegerSchema().WithEnum(10.0, 20.0), `1e1`, true},
		"an enum refuses another number":          {openapi3.NewIntegerSchema().WithEnum(10.0, 20.0), `11`, false},
		"an enum survives a huge exponent":        {openapi3.NewIntegerSchema().WithEnum(10.0), `1e999999999`, false},
		"a number is no string":                   {openapi3.NewStringSchema(), `1`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := strictjson.Decode([]byte(tt.in))
			require.NoError(t, err)
			err = tt.schema.VisitJSON(v, openapi3.MultiErrors())
			assert.Equal(t, tt.valid, err == nil, "%v", err)
		})
	}
}
