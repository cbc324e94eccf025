package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
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

// CreateUser creates a user with one role, for the operator's command line. E-mail address and password follow the
// same rules as in a sign-in.
func CreateUser(ctx context.Context, d *db.DB, c *contract.Contract, tenant db.Scope, slug string, u NewUser) (email string, err error) {
	email, err = checkNewUser(c, slug, u)
	if err != nil {
		return "", err
	}
	hash, err := HashPassword(u.Password)
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

// checkNewUser returns the e-mail address as it is stored.
func checkNewUser(c *contract.Contract, slug string, u NewUser) (string, error) {
	if !slices.Contains(c.Roles(), u.Role) {
		return "", apperr.New(apperr.Invalid, fmt.Sprintf("There is no role %q; the roles are %v.", u.Role, c.Roles()))
	}
	if err := checkPassword(c, u); err != nil {
		return "", err
	}
	raw, err := json.Marshal(api.LoginRequest{Tenant: slug, Email: u.Email, Password: u.Password}) //nolint:gosec // it stays in this process
	if err != nil {
		return "", fmt.Errorf("encode the user: %w", err)
	}
	checked, err := c.CheckSchema("LoginRequest", raw)
	if err != nil {
		return "", err
	}
	email, _ := checked.(map[string]any)["email"].(string)
	return email, nil
}

func checkPassword(c *contract.Contract, u NewUser) error {
	raw, err := json.Marshal(u.Password)
	if err != nil {
		return fmt.Errorf("encode the password: %w", err)
	}
	if _, err := c.CheckSchema("NewPassword", raw, "password"); err != nil {
		return err
	}
	known := Principal{Email: u.Email, FirstName: u.FirstName, LastName: u.LastName}.known()
	return apperr.InvalidFields(guessableFaults("password", u.Password, known...))
}
