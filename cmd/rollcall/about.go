package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/version"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which program this is: version, commit, Go",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := version.Read()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), b)
			}
			modified := ""
			if b.Modified {
				modified = ", with changes that are in no commit"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "rollcall %s\ncommit   %s%s\nbuilt by %s for %s\n", b.Version, b.Commit, modified, b.Go, b.Platform)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func configCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Show every setting that is in effect, where it comes from, and its bounds",
		Long: `Show the settings that ` + "`rollcall serve`" + ` would run with here and now. Passwords and keys are left out.

The exit code is 1 when one is wrong, and the error says which and what it may be. What each one means: docs/operate/configuration.md.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings := config.Describe(os.LookupEnv)
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), settings); err != nil {
					return err
				}
			} else if err := printSettings(cmd, settings); err != nil {
				return err
			}
			_, err := config.Read(os.LookupEnv)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printSettings(cmd *cobra.Command, settings []config.Setting) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "VARIABLE\tVALUE\tFROM\tBOUNDS")
	for _, s := range settings {
		from, value := "default", s.Value
		if s.FromEnvironment {
			from = "environment"
		}
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Name, value, from, s.Bounds)
	}
	return table.Flush()
}
