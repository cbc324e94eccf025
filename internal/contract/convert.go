package contract

import "encoding/json"

// Convert reads a value of the document, an extension or an example, into target by way of JSON. An absent one (nil) leaves target
// as it is.
func Convert(value, target any) error {
	if value == nil {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err //nolint:wrapcheck // the caller knows where it stands
	}
	return json.Unmarshal(raw, target) //nolint:wrapcheck // see above
}

// Plain is a copy of a value of the document as JSON has it.
func Plain(value any) any {
	var out any
	if err := Convert(value, &out); err != nil {
		panic(err) // never: it came out of JSON
	}
	return out
}
