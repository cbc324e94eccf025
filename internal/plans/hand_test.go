package plans_test

import (
	"fmt"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/plans"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/stretchr/testify/require"
	"os"
	"sort"
	"testing"
)

func TestHand(t *testing.T) {
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		t.Skip()
	}
	d, err := db.Open(t.Context(), db.Config{URL: url})
	require.NoError(t, err)
	defer d.Close()
	slug := "large"
	if s := os.Getenv("SLUG"); s != "" {
		slug = s
	}
	tn, err := tenant.NewRegistry(d, url).BySlug(t.Context(), slug)
	require.NoError(t, err)
	r, err := plans.Measure(t.Context(), d, tn.ID, nil)
	require.NoError(t, err)
	fmt.Println("readings", len(r.Readings))
	fs := r.Faults()
	sort.SliceStable(fs, func(i, j int) bool { return fs[i].Reading.Query < fs[j].Reading.Query })
	for _, f := range fs {
		fmt.Printf("%s [%s|%s|gen=%v] %s  idx=%v %.1fms\n", f.Reading.Query, f.Reading.View, f.Reading.Arguments, f.Reading.Generic, f.Why, f.Reading.Indexes, f.Reading.Millis)
	}
	for _, q := range r.Queries { if q.Bound() > 0 { m := map[string]plans.Reading{}; for _, x := range r.Readings { if x.Query == q.Name { k := x.View + fmt.Sprint(x.Generic); if x.Read >= m[k].Read { m[k] = x } } }; for k, x := range m { fmt.Printf("MAX %s %s read %d ret %d [%s] %.1fms %v\n", q.Name, k, x.Read, x.Returned, x.Arguments, x.Millis, x.Indexes) } } }
	for _, i := range r.Unused() {
		fmt.Println("unused", i.Name)
	}
	for _, i := range r.Duplicates() {
		fmt.Println("dup", i.Name, i.Covers)
	}
	gen := map[string]int{}
	for _, x := range r.Readings {
		if x.Generic {
			gen[x.Query]++
		}
	}
	fmt.Println(len(gen), "queries with generic")
}
