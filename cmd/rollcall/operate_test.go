package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-erp/rollcall/internal/redistest"
)

var metricsAddress = regexp.MustCompile(`"serving metrics","url":"([^"]+)/metrics"`)

// metricsURL is the metrics' own listener.
func (s *serving) metricsURL() string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	found := metricsAddress.FindStringSubmatch(strings.Join(s.log, "\n"))
	require.NotEmpty(s.t, found)
	return found[1]
}

// observed is a service with all its dependencies but a replica, after a little load.
func observed(t *testing.T) *serving {
	t.Helper()
	s := startServe(t, "DATABASE_URL="+newDemo(t).URL, "REDIS_URL="+redistest.New(t).URL, "ROLLCALL_METRICS_ADDR=127.0.0.1:0", "ROLLCALL_DRAIN_DELAY=0s")
	s.awaitReady()
	token := s.signIn()
	status, body := s.post("/v1/students", token, newcomer)
	require.Equal(t, http.StatusCreated, status, body)
	status, _ = s.post("/v1/students", token, `{}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Eventually(t, func() bool {
		return strings.Contains(s.fetch(s.metricsURL()+"/metrics"), `rollcall_task_duration_seconds_count{outcome="success",task="seal-audit"}`)
	}, time.Minute, 50*time.Millisecond)
	return s
}

// reported is what a service reports: the values of each label of each series.
type reported map[string]map[string][]string

func (r reported) add(name string, labels []*dto.LabelPair, also ...string) {
	if r[name] == nil {
		r[name] = map[string][]string{"job": nil, "instance": nil} // Prometheus adds them
	}
	for _, l := range labels {
		r[name][l.GetName()] = append(r[name][l.GetName()], l.GetValue())
	}
	for _, label := range also {
		r[name][label] = append(r[name][label], "")
	}
}

func readMetrics(t *testing.T, text string) reported {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	r := reported{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetType() {
			case dto.MetricType_HISTOGRAM:
				r.add(name+"_bucket", m.GetLabel(), "le")
				r.add(name+"_sum", m.GetLabel())
				r.add(name+"_count", m.GetLabel())
			case dto.MetricType_SUMMARY:
				for _, q := range m.GetSummary().GetQuantile() {
					r.add(name, append(m.GetLabel(), &dto.LabelPair{Name: new("quantile"), Value: new(model.SampleValue(q.GetQuantile()).String())}))
				}
			default:
				r.add(name, m.GetLabel())
			}
		}
	}
	return r
}

// faults are what an expression names and the service does not report.
func (r reported) faults(expression string) (faults []string, metrics []string) {
	e, err := metricsql.Parse(strings.NewReplacer("$__rate_interval", "5m").Replace(expression))
	if err != nil {
		return []string{err.Error()}, nil
	}
	known := map[string]bool{}
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		if m, ok := e.(*metricsql.MetricExpr); ok {
			name, found := r.ofSelector(m, known)
			metrics, faults = append(metrics, name), append(faults, found...)
		}
	})
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		if a, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, label := range a.Modifier.Args {
				if !known[label] {
					faults = append(faults, "no metric has the label "+label)
				}
			}
		}
	})
	return faults, metrics
}

// ofSelector holds a selector against what is reported, and adds the labels that its series have to known.
func (r reported) ofSelector(m *metricsql.MetricExpr, known map[string]bool) (name string, faults []string) {
	filters := m.LabelFilterss[0]
	name = filters[0].Value
	labels, there := r[name]
	if filters[0].Label != "__name__" || !there {
		return name, []string{"there is no metric " + name}
	}
	for label := range labels {
		known[label] = true
	}
	for _, f := range filters[1:] {
		values, there := labels[f.Label]
		if !there {
			faults = append(faults, name+" has no label "+f.Label)
		}
		if there && !f.IsRegexp && !f.IsNegative && f.Value != "500" /* which it should not have */ && !slices.Contains(values, f.Value) {
			faults = append(faults, name+" has no "+f.Label+"="+f.Value)
		}
	}
	return name, faults
}

// expressions are those of the alert rules and of the dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	text, err := os.ReadFile("../../docs/operate/alerts.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	for _, rule := range rules.Groups[0].Rules {
		all["alert "+rule.Alert] = rule.Expr
		assert.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["action"], rule.Alert)
	}
	text, err = os.ReadFile("../../docs/operate/grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all["panel "+panel.Title+": "+target.Expr] = target.Expr
		}
	}
	return all
}

func TestOperate_alertsAndDashboardNameWhatTheServiceReports(t *testing.T) {
	t.Parallel()
	s := observed(t)
	defer s.end()
	metrics := readMetrics(t, s.fetch(s.metricsURL()+"/metrics"))
	used := map[string]bool{}
	all := expressions(t)
	assert.Greater(t, len(all), 40)
	for where, expression := range all {
		faults, names := metrics.faults(expression)
		assert.Empty(t, faults, "%s", where)
		for _, name := range names {
			used[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")] = true
		}
	}
	for name := range metrics {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "rollcall_") && family != "rollcall_task_last_run_timestamp_seconds" {
			assert.True(t, used[family], "%s is neither in the dashboard nor in an alert", family)
		}
	}
}

func TestOperate_theDashboardIsOneOfGrafanas(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operate/grafana.json")
	require.NoError(t, err)
	plugins.RegisterDefaultPlugins() // the kinds of panels and of queries
	d, faults := readDashboard(text)
	assert.Empty(t, faults, "neither a field too many nor one too few")
	require.NoError(t, d.Validate())
	require.NotEmpty(t, d.Panels)
	_, faults = readDashboard(bytes.Replace(text, []byte(`"displayMode"`), []byte(`"display"`), 1))
	assert.Len(t, faults, 2)
}

func readDashboard(text []byte) (d grafana.Dashboard, faults cog.BuildErrors) { //nolint:staticcheck // the model before v2, which every Grafana reads
	errors.As(d.UnmarshalJSONStrict(text), &faults) // an empty list is an error too
	return d, faults
}

func TestOperate_theCheckOfExpressionsFindsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	metrics := readMetrics(t, "a_total{status=\"ok\"} 1\n")
	for expression, want := range map[string]string{
		`sum(rate(a_total{status="ok"}[5m]))`:      "",
		`sum by (status, job) (a_total)`:           "",
		`sum(rate(b_total[5m]))`:                   "there is no metric b_total",
		`a_total{state="ok"}`:                      "a_total has no label state",
		`a_total{status="bad"}`:                    "a_total has no status=bad",
		`sum by (stage) (rate(a_total[5m]))`:       "no metric has the label stage",
		`sum by (status (a_total)`:                 "unexpected token",
		`a_total / on(status) c_total{status="x"}`: "there is no metric c_total",
	} {
		faults, _ := metrics.faults(expression)
		if want == "" {
			assert.Empty(t, faults, expression)
			continue
		}
		assert.Contains(t, strings.Join(faults, "; "), want, expression)
	}
}

func TestOperate_profilesAreOnTheListenerOfTheMetricsOnly(t *testing.T) {
	t.Parallel()
	s := observed(t)
	defer s.end()
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1"} {
		assert.Contains(t, s.get(path), "/problems/not-found", path)
		assert.NotContains(t, s.fetch(s.metricsURL()+path), "/problems/not-found", path)
	}
	assert.Contains(t, s.fetch(s.metricsURL()+"/debug/pprof/"), "goroutine")
	assert.Contains(t, s.get("/metrics"), "/problems/not-found")

	without := startServe(t, "DATABASE_URL="+newDemo(t).URL, "ROLLCALL_DRAIN_DELAY=0s")
	defer without.end()
	without.awaitReady()
	assert.Contains(t, without.get("/debug/pprof/"), "/problems/not-found")
	assert.Contains(t, without.get("/metrics"), `rollcall_build_info{`)
}

// collector is a receiver of OTLP over HTTP. What it gets is binary, but texts are in it as they are.
type collector struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.Copy(&c.got, r.Body)
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

func TestOperate_tracesAreExportedWhenTheEnvironmentSaysWhereTo(t *testing.T) {
	t.Parallel()
	traces := &collector{}
	receiver := httptest.NewServer(traces)
	defer receiver.Close()
	s := startServe(t, "DATABASE_URL="+newDemo(t).URL, "ROLLCALL_DRAIN_DELAY=0s", "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL, "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=canteen")
	s.awaitReady()
	status, body := s.post("/v1/students", s.signIn(), newcomer)
	require.Equal(t, http.StatusCreated, status, body)
	assert.True(t, s.said(`"traceId":"`), "the log line names the trace")
	require.Eventually(t, func() bool { return strings.Contains(s.get("/metrics"), `rollcall_task_duration_seconds_count{`) }, time.Minute, 50*time.Millisecond)
	s.end() // which exports the rest
	for _, text := range []string{"admitStudent", "seal-audit", "ClaimRun", "transaction", "LiveSession", "rollcall.tenant", "canteen", "service.version"} {
		assert.Contains(t, traces.text(), text)
	}
	for _, text := range []string{"KEPT-1", "123412341234", "registrar@", "Comer", "127.0.0.1", "Go-http-client"} {
		assert.NotContains(t, traces.text(), text)
	}
	out, code := run(t, "", []string{"DATABASE_URL=x", "ROLLCALL_ENCRYPTION_KEY=" + testKey, "OTEL_TRACES_EXPORTER=zipkin"}, "serve")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "OTEL_TRACES_EXPORTER: want otlp or none")
}
