// Command rollcall is the service and its tools: `rollcall --help` lists them.
//
// This package only reads flags and environment, minds signals, and turns errors into exit codes; the work is in internal/.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/masklog"
)

func main() {
	devdb.RunChild() // returns unless this process is the database's supervisor
	if err := realMain(); err != nil {
		fmt.Fprintln(os.Stderr, "rollcall:", err)
		os.Exit(exitCode(err))
	}
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	text string
}

// Error is the text.
func (e exitError) Error() string { return e.text }

// exitCode tells scripts what the error is.
func exitCode(err error) int {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	return 1
}

func realMain() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the second one ends the program at once.
	context.AfterFunc(ctx, stop)
	return rootCommand().ExecuteContext(ctx)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "rollcall",
		Short:         "A school ERP's HTTP API for many school groups",
		SilenceUsage:  true,
		SilenceErrors: true,
		// Whoever runs a command is who writes, for the audit trail.
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			action := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			cmd.SetContext(db.WithActor(cmd.Context(), db.Actor{Kind: db.ActorOperator, Action: action}))
		},
	}
	root.AddCommand(serveCommand(), devCommand(), tenantCommand(configuredDatabase),
		userCommand(configuredDatabase), migrateCommand(configuredDatabase), jobsCommand(configuredDatabase), auditCommand(configuredDatabase),
		seedCommand(configuredDatabase), plansCommand(configuredDatabase))
	return root
}

// databaseURL yields the database to work on.
type databaseURL func() (string, error)

// configuredDatabase is the database of the environment, past a pooler: tools make schemas and hold locks.
func configuredDatabase() (string, error) {
	c, err := config.Read(os.LookupEnv)
	if err != nil {
		return "", err
	}
	return c.DirectURL.Reveal(), c.RequireDatabase()
}

// newLog writes JSON lines for machines, or text for a person at a terminal, without personal data. What libraries log
// goes the same way.
func newLog(document *contract.Contract, forPeople bool) *slog.Logger {
	var out slog.Handler = slog.NewJSONHandler(os.Stderr, nil)
	if forPeople {
		out = slog.NewTextHandler(os.Stderr, nil)
	}
	log := slog.New(masklog.New(out, document.PersonalNames()))
	slog.SetDefault(log)
	return log
}
