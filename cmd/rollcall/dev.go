package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// databaseStopTimeout is how long PostgreSQL may take to stop after the service has.
const databaseStopTimeout = 30 * time.Second

func devCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Serve the demo school, with a database of its own",
		Long: `Start PostgreSQL (unless DATABASE_URL is set), migrate, seed the demo tenants once, and serve.

Everything is kept under ROLLCALL_DATA_DIR (default .data) between runs; delete it to start afresh. Ctrl-C stops all of it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(os.LookupEnv)
			if err != nil {
				return err
			}
			return dev(cmd.Context(), c, cmd.OutOrStdout())
		},
	}
}

func dev(ctx context.Context, c config.Config, out io.Writer) (err error) {
	document, err := contract.Load()
	if err != nil {
		return err
	}
	log := newLog(document, true)
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil { //nolint:gosec // an unprivileged PostgreSQL must reach its folder inside
		return fmt.Errorf("make ROLLCALL_DATA_DIR: %w", err)
	}
	if c.DatabaseURL == "" {
		postgres, startErr := devdb.Start(ctx, devdb.Config{Dir: c.DataDir, Log: log})
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, stopDatabase(ctx, postgres)) }()
		c.DatabaseURL = config.Secret(postgres.URL())
		c.DirectURL = c.DatabaseURL
	}
	c.DrainDelay = 0 // nobody balances load here, and Ctrl-C should not take long
	if err := ensureKey(&c, out); err != nil {
		return err
	}
	if err := prepare(ctx, c); err != nil {
		return err
	}
	return serveDemo(ctx, c, document, log, out)
}

// serveDemo serves; when the wished port is taken by somebody else it takes a free one and says so.
func serveDemo(ctx context.Context, c config.Config, document *contract.Contract, log *slog.Logger, out io.Writer) error {
	welcome := func(addr net.Addr) { printWelcome(out, addr) }
	err := serve(ctx, c, document, log, demoSignIns(), welcome)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	host, _, splitErr := net.SplitHostPort(c.Addr)
	if splitErr != nil {
		return err
	}
	fmt.Fprintf(out, "%s is in use; taking a free port.\n", c.Addr)
	c.Addr = net.JoinHostPort(host, "0")
	return serve(ctx, c, document, log, demoSignIns(), welcome)
}

func demoSignIns() []server.DemoSignIn {
	var all []server.DemoSignIn
	for _, s := range seed.SignIns() {
		all = append(all, server.DemoSignIn{Tenant: s.Tenant, Email: s.Email, Role: s.Role, Password: seed.DemoPassword})
	}
	return all
}

func stopDatabase(ctx context.Context, postgres *devdb.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseStopTimeout)
	defer cancel()
	return postgres.Stop(ctx)
}

// prepare migrates and seeds.
func prepare(ctx context.Context, c config.Config) error {
	url := c.DirectURL.Reveal()
	if err := tenant.NewMigrator(url).Up(ctx, nil); err != nil {
		return err
	}
	box, err := c.Box()
	if err != nil {
		return err
	}
	database, err := db.Open(ctx, db.Config{URL: url})
	if err != nil {
		return err
	}
	defer database.Close()
	return seed.Demo(ctx, database, tenant.NewRegistry(database, url), box)
}

// ensureKey takes the key kept in the data directory, or makes one and keeps it there, unless the environment has one.
func ensureKey(c *config.Config, out io.Writer) error {
	if c.EncryptionKey != "" {
		return nil
	}
	file := filepath.Join(c.DataDir, "encryption.key")
	kept, err := os.ReadFile(file)
	if err == nil {
		c.EncryptionKey = config.Secret(strings.TrimSpace(string(kept)))
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the encryption key: %w", err)
	}
	key, err := seal.GenerateKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the encryption key: %w", err)
	}
	fmt.Fprintf(out, "Made an encryption key for this demo and kept it in %s.\n", file)
	c.EncryptionKey = config.Secret(key)
	return nil
}

func printWelcome(out io.Writer, addr net.Addr) {
	base := "http://" + addr.String()
	fmt.Fprintf(out, "\nRollcall is ready.\n\n  API       %s/v1\n  Docs      %s/docs\n  Document  %s/openapi.yaml\n\n", base, base, base)
	fmt.Fprintf(out, "Demo sign-ins, all with the password %q:\n\n", seed.DemoPassword)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  tenant\te-mail\trole")
	for _, s := range seed.SignIns() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Tenant, s.Email, s.Role)
	}
	_ = table.Flush()
	fmt.Fprintln(out, "\nCtrl-C stops everything; the data stays.")
}
