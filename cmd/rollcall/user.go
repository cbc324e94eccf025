package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func userCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "Create users, and help those who lost their second factor"}
	c.AddCommand(userCreateCommand(url), userResetMFACommand(url))
	return c
}

func userResetMFACommand(url databaseURL) *cobra.Command {
	var tenantSlug string
	c := &cobra.Command{
		Use:   "reset-mfa EMAIL",
		Short: "Remove a lost second factor, and end the user's sessions",
		Long: `Remove the second factor of a user who has lost it and its recovery codes. All sessions of the user end.

Be sure who asks: afterwards the password alone signs in. Where the role or the tenant requires a second factor, the user
sets up another one first.`,
		Example: `  rollcall user reset-mfa head@north.example --tenant north`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withTenant(cmd, url, tenantSlug, func(d *db.DB, _ *tenant.Registry, t tenant.Tenant) error {
				email := strings.ToLower(args[0])
				if err := auth.ResetMFA(cmd.Context(), d, db.Tenant(t.ID), email); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Removed the second factor of %s in tenant %s and ended all sessions.\n", email, tenantSlug)
				return nil
			})
		},
	}
	c.Flags().StringVar(&tenantSlug, "tenant", "", "the tenant's slug")
	_ = c.MarkFlagRequired("tenant")
	return c
}

func userCreateCommand(url databaseURL) *cobra.Command {
	var tenantSlug string
	u := auth.NewUser{}
	c := &cobra.Command{
		Use:   "create EMAIL",
		Short: "Create a user who can sign in, such as a tenant's first administrator",
		Long:  `Create a user. The password is asked for, or read from standard input when that is no terminal.`,
		Example: `  rollcall user create head@north.example --tenant north --role admin
  pass show rollcall/north | rollcall user create head@north.example --tenant north`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			u.Email = args[0]
			if u.Password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			return createUser(cmd, url, tenantSlug, u)
		},
	}
	c.Flags().StringVar(&tenantSlug, "tenant", "", "the tenant's slug")
	c.Flags().StringVar(&u.Role, "role", "admin", "a built-in role")
	c.Flags().StringVar(&u.FirstName, "first-name", "School", "first name")
	c.Flags().StringVar(&u.LastName, "last-name", "Administrator", "last name")
	_ = c.MarkFlagRequired("tenant")
	return c
}

func createUser(cmd *cobra.Command, url databaseURL, slug string, u auth.NewUser) error {
	document, err := contract.Load()
	if err != nil {
		return err
	}
	return withTenant(cmd, url, slug, func(d *db.DB, _ *tenant.Registry, t tenant.Tenant) error {
		email, err := auth.CreateUser(cmd.Context(), d, document, db.Tenant(t.ID), u)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "Created %s in tenant %s with the role %s.\n", email, slug, u.Role)
		}
		return err
	})
}

// readPassword asks twice at a terminal, without showing what is typed; from a pipe it takes the first line.
func readPassword(in io.Reader, out io.Writer) (string, error) {
	file, isFile := in.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := askPassword(file, out, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := askPassword(file, out, "Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords are not the same")
	}
	return first, err
}

func askPassword(file *os.File, out io.Writer, prompt string) (string, error) {
	fmt.Fprint(out, prompt)
	password, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(out)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(password), nil
}
