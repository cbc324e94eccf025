package replay

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// vars are the literals whose values are known by now.
type vars map[string]string

// text replaces a literal, or one behind the name of its scheme.
func (v vars) text(member, value string) string {
	if actual, known := v[value]; known {
		return actual
	}
	if token, isBearer := strings.CutPrefix(value, "Bearer "); isBearer && v[token] != "" {
		return "Bearer " + v[token]
	}
	if actual, known := v[uniqueLiteral(member, value)]; known {
		return actual
	}
	return value
}

func (v vars) texts(values map[string]string) map[string]string {
	out := make(map[string]string, len(values))
	for name, value := range values {
		out[name] = v.text(name, value)
	}
	return out
}

// bind gives a value of a request that may be taken once its value of this run, in both spellings that answers may have.
func (v vars) bind(member, literal, actual string) {
	v[uniqueLiteral(member, literal)] = actual
	if lower := strings.ToLower(literal); lower != literal {
		v[uniqueLiteral(member, lower)] = strings.ToLower(actual)
	}
}

const (
	digits  = "0123456789"
	letters = "ABCDEFGHJKMNPQRSTVWXYZ"
)

func random(alphabet string, n int) string {
	var out strings.Builder
	for range n {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err) // never: the system's randomness does not fail
		}
		out.WriteByte(alphabet[i.Int64()])
	}
	return out.String()
}

// distinct makes a value like another that nobody has yet, and that its schema takes: a number of the same length with the
// same end, an address with a tag, a text with an ending.
func distinct(value string, schema *openapi3.Schema) string {
	tag := random(letters+digits, 6)
	keep := max(0, len(value)-4)
	candidates := []string{value + " " + tag, value + "-" + tag, value + tag, tag}
	if local, domain, isEmail := strings.Cut(value, "@"); isEmail {
		candidates = []string{local + "+" + strings.ToLower(tag) + "@" + domain}
	}
	if value != "" && strings.Trim(value, digits) == "" {
		candidates = append([]string{random(digits[1:], keep) + value[keep:]}, candidates...)
	}
	for _, c := range candidates {
		if schema.VisitJSON(c) == nil {
			return c
		}
	}
	return value
}

// distinctNumber is a number of the upper half of what its schema takes.
func distinctNumber(value float64, schema *openapi3.Schema) float64 {
	if schema.Max == nil {
		return value
	}
	low := int64(*schema.Max / 2)
	n, err := rand.Int(rand.Reader, big.NewInt(int64(*schema.Max)-low))
	if err != nil {
		return value
	}
	return float64(low + n.Int64())
}

// number is how a number names itself in a literal.
func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// show is a value for people, cut where it gets long.
func show(value any) string {
	text := fmt.Sprint(value)
	if s, isString := value.(string); isString {
		text = strconv.Quote(s)
	}
	if value == nil {
		text = "nothing"
	}
	const most = 160
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
