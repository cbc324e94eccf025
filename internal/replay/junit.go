package replay

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The elements of a JUnit report, as Jenkins, GitLab and GitHub's actions read it.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes a run as a JUnit report: a suite an operation, a case a step, and a suite of what was not covered.
func (r *Result) WriteJUnit(out io.Writer) error {
	report := junitReport{Name: "rollcall replay", Time: inSeconds(r.Took)}
	for _, op := range r.Operations {
		report.add(op.junit())
	}
	if missing := r.Coverage.junit(); missing.Tests > 0 {
		report.add(missing)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func (r *junitReport) add(s junitSuite) {
	r.Suites = append(r.Suites, s)
	r.Tests += s.Tests
	r.Failures += s.Failures
}

func (o *Operation) junit() junitSuite {
	suite := junitSuite{Name: o.Tag + "." + o.ID}
	var took time.Duration
	for _, st := range o.Steps {
		took += st.Took
		c := junitCase{Class: o.Tag + "." + o.ID, Name: fmt.Sprintf("%s %s gets %d", st.Kind, st.Name, st.Status), Time: inSeconds(st.Took)}
		if len(st.Failures) > 0 {
			var text strings.Builder
			st.writeText(&text)
			first := st.Failures[0]
			c.Failure = &junitFailure{Message: printable(fmt.Sprintf("%s: expected %s, actual %s", first.Where, first.Expected, first.Actual)), Type: "difference", Text: printable(text.String())}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests, suite.Time = len(suite.Cases), inSeconds(took)
	return suite
}

// junit has one failed case for each part of the document that was not sent.
func (c *Coverage) junit() junitSuite {
	suite := junitSuite{Name: "coverage", Tests: len(c.Missing), Failures: len(c.Missing), Time: inSeconds(0)}
	for _, missing := range c.Missing {
		suite.Cases = append(suite.Cases, junitCase{Class: "coverage", Name: missing, Time: inSeconds(0), Failure: &junitFailure{Message: missing, Type: "missing"}})
	}
	return suite
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// printable leaves out what XML 1.0 cannot hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= 0x20 && r != 0xFFFE && r != 0xFFFF {
			return r
		}
		return -1
	}, s)
}
