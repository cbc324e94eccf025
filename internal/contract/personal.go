package contract

import "github.com/getkin/kin-openapi/openapi3"

// PersonalNames are the names under which the document has personal data (x-pii), of members and of parameters, with the
// kind that Mask wants. A name that stands for several kinds is a secret.
func (c *Contract) PersonalNames() map[string]string {
	names := map[string]string{}
	add := func(name string, ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil {
			return
		}
		kind, marked := ref.Value.Extensions["x-pii"].(string)
		if known, twice := names[name]; marked && twice && known != kind {
			kind = "secret"
		}
		if marked {
			names[name] = kind
		}
	}
	// The error is never set: the callback returns none.
	_ = c.Document.WalkSchemas(func(_ string, ref *openapi3.SchemaRef) error {
		for name, member := range ref.Value.Properties {
			add(name, member)
		}
		return nil
	})
	for _, op := range c.Operations {
		for _, p := range op.parameters {
			add(p.spec.Name, p.spec.Schema)
		}
	}
	return names
}
