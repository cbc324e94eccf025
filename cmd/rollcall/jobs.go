package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/jobs"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

func jobsCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{
		Use:   "jobs",
		Short: "Run periodic tasks by hand",
	}
	c.AddCommand(jobsRunCommand(url))
	return c
}

func jobsRunCommand(url databaseURL) *cobra.Command {
	var task, slug string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the periodic tasks once, for every active tenant",
		Long: `Run the periodic tasks once and now, whether they are due or not. A tenant that fails does not stop the others; the exit
code is 1 then. With ROLLCALL_ENCRYPTION_KEY what is due for webhooks is delivered too. A task that an instance of the service is running for a tenant at this moment is left to it.

The service does this by itself; a scheduler of your own may do it instead, with ROLLCALL_JOBS=off in the service.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := contract.Load()
			if err != nil {
				return err
			}
			log := newLog(document, true)
			return withDatabase(cmd, url, func(d *db.DB, r *tenant.Registry) error {
				all, done, err := allTasks(d, log)
				if err != nil {
					return err
				}
				defer done()
				tasks, err := chosenTasks(all, task)
				if err != nil {
					return err
				}
				tenants, err := chosenTenants(cmd, r, slug)
				if err != nil {
					return err
				}
				reports, err := jobs.RunOnce(cmd.Context(), d, log, tasks, tenants)
				for _, p := range reports {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %d done, %d failed, %d skipped\n", p.Task, p.Done, p.Failed, p.Skipped)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&task, "task", "", "only this task")
	c.Flags().StringVar(&slug, "tenant", "", "only this tenant, by its slug")
	return c
}

// allTasks has the delivery to webhooks too, if there is the key that opens their secrets.
func allTasks(d *db.DB, log *slog.Logger) (tasks []jobs.Task, done func(), err error) {
	c, err := config.Read(os.LookupEnv)
	if err != nil {
		return nil, nil, err
	}
	if c.EncryptionKey == "" {
		return jobs.Tasks(d, log), func() {}, nil
	}
	box, err := c.Box()
	if err != nil {
		return nil, nil, err
	}
	targets := webhook.NewTargets(c.WebhookAllow)
	webhooks, err := webhookTask(d, box, targets, log, prometheus.NewRegistry())
	return append(jobs.Tasks(d, log), webhooks), targets.Close, err
}

func chosenTasks(all []jobs.Task, name string) ([]jobs.Task, error) {
	if name == "" {
		return all, nil
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	i := slices.Index(names, name)
	if i < 0 {
		return nil, fmt.Errorf("there is no task %q; there are %s", name, strings.Join(names, ", "))
	}
	return all[i : i+1], nil
}

// chosenTenants are the ids of the active tenants, or that of this slug.
func chosenTenants(cmd *cobra.Command, r *tenant.Registry, slug string) ([]uuid.UUID, error) {
	tenants, err := activeTenants(cmd, r, slug)
	ids := make([]uuid.UUID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	return ids, err
}

// activeTenants are all of them, or the one of this slug.
func activeTenants(cmd *cobra.Command, r *tenant.Registry, slug string) ([]tenant.Tenant, error) {
	if slug != "" {
		t, err := r.BySlug(cmd.Context(), slug)
		if err == nil && t.Status != tenant.Active {
			err = errors.New("tenant " + t.Slug + " is " + string(t.Status))
		}
		return []tenant.Tenant{t}, err
	}
	all, err := r.List(cmd.Context())
	return slices.DeleteFunc(all, func(t tenant.Tenant) bool { return t.Status != tenant.Active }), err
}
