package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/replay"
)

// replayFlags are what a tester says.
type replayFlags struct {
	baseURL, tenant, tag, operation, junit, document string
	json, keep, fresh                                bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay --base-url URL",
		Short: "Send every example of the document to a server and check the answers",
		Long: `Send every example request of openapi.yaml, good and bad, to a server that has the demo tenant, and hold each answer against
the document: status, headers, media type, schema, and the values of the example of the same name.

Values that may be taken once differ from run to run, so it can be repeated. What is written is taken back, as far as
operations can; the end of the report says what stays. Rate limits are waited for. The exit code is 1 when an answer differs
or a part of the document was not covered.`,
		Example: `  rollcall replay --base-url http://127.0.0.1:8080
  rollcall replay --base-url http://127.0.0.1:8080 --operation admitStudent --keep
  rollcall replay --base-url https://staging.example --junit replay.xml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runReplay(cmd, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.baseURL, "base-url", "", "where the server is, such as http://127.0.0.1:8080")
	flags.StringVar(&f.tenant, "tenant", "", "a tenant that was filled as the demo is, by its slug (default: the document's, demo)")
	flags.StringVar(&f.tag, "tag", "", "only the operations of this tag")
	flags.StringVar(&f.operation, "operation", "", "only this operation, by its operationId")
	flags.StringVar(&f.document, "document", "built-in", "which document: built-in (of this program) or served (by the server)")
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file")
	flags.BoolVar(&f.json, "json", false, "write the result as JSON")
	flags.BoolVar(&f.keep, "keep", false, "leave what was written, to look at it")
	flags.BoolVar(&f.fresh, "fresh", false, "the tenant is as it was seeded: lists must have exactly their examples' rows")
	_ = c.MarkFlagRequired("base-url") // fails only for a flag that does not exist
	return c
}

var errReplayFailed = errors.New("the server is not as the document says; the report names the differences")

func runReplay(cmd *cobra.Command, f replayFlags) error {
	ctx := cmd.Context()
	client := &http.Client{Timeout: time.Minute}
	f.baseURL = strings.TrimRight(f.baseURL, "/")
	document, about, err := chooseDocument(ctx, client, f)
	if err != nil {
		return err
	}
	progress, stop := progressOn(os.Stderr)
	result, err := replay.Run(ctx, replay.Config{
		BaseURL: f.baseURL, Client: client, Contract: document, Tenant: f.tenant, Tag: f.tag, Operation: f.operation,
		Keep: f.keep, Fresh: f.fresh, Progress: progress,
	})
	stop()
	if result != nil {
		err = errors.Join(err, writeResult(cmd.OutOrStdout(), result, f, about))
	}
	if err == nil && !result.Passed() {
		err = errReplayFailed
	}
	return err
}

// chooseDocument takes the built-in document, or the server's, and says how the two differ.
func chooseDocument(ctx context.Context, client *http.Client, f replayFlags) (*contract.Contract, string, error) {
	builtIn, err := contract.Load()
	if err != nil {
		return nil, "", err
	}
	served, err := replay.Served(ctx, client, f.baseURL)
	if err != nil {
		return nil, "", err
	}
	difference := replay.Compare(builtIn, served)
	switch {
	case f.document == "served":
		return served, "Document: the server's.", nil
	case f.document != "built-in":
		return nil, "", errors.New("--document: want built-in or served")
	case difference == "":
		return builtIn, "Document: this program's, which is the server's too.", nil
	}
	return builtIn, "Document: this program's. WARNING: the server has another one: " + difference + ". --document served takes the server's.", nil
}

// progressOn draws a bar where somebody is looking.
func progressOn(out *os.File) (func(done, all int, operation string), func()) {
	if !term.IsTerminal(int(out.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(out), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(),
		progressbar.OptionFullWidth(), progressbar.OptionSetPredictTime(false))
	return func(done, all int, operation string) {
		bar.ChangeMax(all)
		bar.Describe(operation)
		_ = bar.Set(done) // a bar that cannot be drawn is no failure
	}, func() { _ = bar.Finish() }
}

func writeResult(out io.Writer, result *replay.Result, f replayFlags, about string) error {
	if f.junit != "" {
		file, err := os.Create(f.junit)
		if err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
		if err := errors.Join(result.WriteJUnit(file), file.Close()); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if !f.json {
		result.WriteText(out, about)
		return nil
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(result)
}
