package auth

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// NewUser is a user who can sign in.
type NewUser struct {
	Email, FirstName, LastName string
	Password                   string
	Role                       string // a built-in one
}

// CreateUser creates a user with one role, for the operator's command line. What is given is held to the same schemas as
// a request. It returns the e-mail address as it is stored.
func CreateUser(ctx context.Context, d *db.DB, c *contract.Contract, tenant db.Scope, u NewUser) (email string, err error) {
	if email, err = checkNewUser(c, u); err != nil {
		return "", err
	}
	hash, err := HashPassword(ctx, u.Password)
	if err != nil {
		return "", err
	}
	err = d.InTx(ctx, tenant, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		id := uuid.Must(uuid.NewV7())
		if err := q.CreateUser(ctx, gendb.CreateUserParams{
			ID: id, Email: &email, FirstName: u.FirstName, LastName: u.LastName, PasswordHash: &hash,
		}); err != nil {
			return fmt.Errorf("create the user: %w", err)
		}
		return q.GrantRole(ctx, id, u.Role)
	})
	return email, err
}

func checkNewUser(c *contract.Contract, u NewUser) (email string, err error) {
	if _, known := c.Role(u.Role); !known {
		return "", apperr.New(apperr.Invalid, fmt.Sprintf("There is no role %q that is built in.", u.Role))
	}
	if _, err = checkText(c, "NewPassword", "password", u.Password); err != nil {
		return "", err
	}
	if email, err = checkText(c, "Email", "email", u.Email); err != nil {
		return "", err
	}
	u.Email = email
	return email, apperr.InvalidFields(PasswordFaults("password", u))
}

// PasswordFaults are the faults of a new user's password that the document cannot state. field is the password's name in
// the request.
func PasswordFaults(field string, u NewUser) []apperr.Field {
	known := Principal{Email: u.Email, FirstName: u.FirstName, LastName: u.LastName}.known()
	return guessableFaults(field, u.Password, known...)
}

// checkText holds a text to a schema of the document and returns it normalised.
func checkText(c *contract.Contract, schema, field, text string) (string, error) {
	raw, err := json.Marshal(text)
	if err != nil {
		return "", fmt.Errorf("encode the %s: %w", field, err)
	}
	checked, err := c.CheckSchema(schema, raw, field)
	normalised, _ := checked.(string)
	return normalised, err
}
