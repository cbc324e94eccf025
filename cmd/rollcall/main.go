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
		Use:   "rollcall",
		Short: "A school ERP's HTTP API for many school groups",
		Long: `A school ERP's HTTP API for many school groups, and the tools to run it.

To look at it:     rollcall dev
To run it:         set DATABASE_URL and ROLLCALL_ENCRYPTION_KEY (openssl rand -base64 32), then
                   rollcall migrate up
                   rollcall tenant create north --name "North School Group"
                   rollcall user create head@north.example --tenant north --role admin
                   rollcall serve
What is in effect: rollcall config`,
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
		seedCommand(configuredDatabase), plansCommand(configuredDatabase), replayCommand(), studentCommand(configuredDatabase), versionCommand(), configCommand())
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	for _, c := range root.Commands() {
		needSubcommand(c)
	}
	return root
}

// needSubcommand makes a command that only holds others refuse what it does not have; by itself it would print its help and succeed.
func needSubcommand(c *cobra.Command) {
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("there is no %s %s; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
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
