package server

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/contract/bind"
)

// validatedBinder gives the generated handlers the body that was validated, and never decodes one itself.
type validatedBinder struct{}

var errNotValidated = errors.New("the body was not validated")

// Bind binds the validated body of a request.
func (validatedBinder) Bind(target any, c echo.Context) error {
	body, ok := c.Request().Body.(interface{ ValidatedValue() any })
	if !ok {
		return errNotValidated
	}
	return bind.Value(body.ValidatedValue(), target)
}
