package contract

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// mfaExempt in x-mfa marks an operation that answers also while a second factor is asked for.
const mfaExempt = "exempt"

// Factor says what must have been given not long ago for an operation (OWASP ASVS 5.0, 7.5.1).
type Factor string

// The factors.
const (
	NoFactor     Factor = ""
	SecondFactor Factor = "second" // the second one; nothing of a user who has none
	AnyFactor    Factor = "any"    // the second one; the password of a user who has none
)

// readFactors reads what the operation asks of factors.
func (op *Operation) readFactors() error {
	var mfa string
	if err := extension(op.Spec.Extensions, "x-mfa", &mfa); err != nil {
		return err
	}
	op.MFAExempt = mfa == mfaExempt
	if mfa != "" && !op.MFAExempt {
		return fmt.Errorf("x-mfa %q is not %s", mfa, mfaExempt)
	}
	if err := op.readFresh(); err != nil {
		return err
	}
	if op.Public && (op.MFAExempt || op.freshFactor != NoFactor || len(op.freshMembers) > 0) {
		return errors.New("is public, and has x-mfa or x-fresh-factor")
	}
	return nil
}

// readFresh reads x-fresh-factor: a factor for every request, or one for each of some members of the body.
func (op *Operation) readFresh() error {
	if _, whole := op.Spec.Extensions["x-fresh-factor"].(string); whole {
		if err := extension(op.Spec.Extensions, "x-fresh-factor", &op.freshFactor); err != nil {
			return err
		}
		return checkFactor(op.freshFactor)
	}
	if err := extension(op.Spec.Extensions, "x-fresh-factor", &op.freshMembers); err != nil {
		return err
	}
	for name, factor := range op.freshMembers {
		for mediaType, b := range op.bodies {
			if b.schema.Properties[name] == nil {
				return fmt.Errorf("x-fresh-factor: %s has no member %s", mediaType, name)
			}
		}
		if err := checkFactor(factor); err != nil {
			return err
		}
	}
	return nil
}

func checkFactor(f Factor) error {
	if !slices.Contains([]Factor{SecondFactor, AnyFactor}, f) {
		return fmt.Errorf("x-fresh-factor %q is neither %s nor %s", f, SecondFactor, AnyFactor)
	}
	return nil
}

// FreshFactor is what must have been given not long ago for a request that Check has passed.
func (op *Operation) FreshFactor(r *http.Request) Factor {
	factor := op.freshFactor
	checked, _ := r.Body.(*validatedBody)
	if checked == nil {
		return factor
	}
	members, _ := checked.value.(map[string]any)
	for name, wanted := range op.freshMembers {
		if _, sent := members[name]; sent && factor != AnyFactor {
			factor = wanted
		}
	}
	return factor
}
