package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// An exchange is what goes to the server in one packet and comes back in one: any number of statements, in PostgreSQL's pipeline
// mode. After one that fails the server skips the rest. pgx's batches are not enough: they describe what is new before they run
// anything, and tables of a tenant are only there once the transaction has entered it.

// statement is one statement of an exchange.
type statement struct {
	sql      string
	args     []any
	planEach bool // never prepared by name, so that the server keeps no plan
}

// line is a connection with what is known of the statements on it. It belongs to whoever has the connection.
type line struct {
	conn   *pgx.Conn
	byName bool                                    // statements may be prepared: no pooler stands between
	known  map[string]*pgconn.StatementDescription // by text; named ones are prepared
	named  int
	tracer pgx.QueryTracer
}

// mostPrepared bounds the statements that are prepared on a connection, of some ten KiB each in the server.
const mostPrepared = 500

const lineKey = "rollcall.line"

func lineOf(conn *pgx.Conn) *line {
	data := conn.PgConn().CustomData()
	if l, known := data[lineKey].(*line); known {
		return l
	}
	config := conn.Config()
	l := &line{conn: conn, byName: config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement, tracer: config.Tracer}
	l.forget()
	data[lineKey] = l
	return l
}

// knows reports whether the statements can be sent without being described first.
func (l *line) knows(statements []statement) bool {
	return !slices.ContainsFunc(statements, func(s statement) bool { return l.known[s.sql] == nil })
}

// describe makes statements known, in one exchange. It must run where their tables are in sight.
func (l *line) describe(ctx context.Context, statements []statement) (err error) {
	p := l.conn.PgConn().StartPipeline(ctx)
	defer func() { err = errors.Join(err, p.Close()) }()
	asked := map[string]*pgconn.StatementDescription{}
	var order []string
	for _, s := range statements {
		if l.known[s.sql] != nil || asked[s.sql] != nil {
			continue
		}
		asked[s.sql] = &pgconn.StatementDescription{SQL: s.sql, Name: l.nextName(s)}
		order = append(order, s.sql)
		p.SendPrepare(asked[s.sql].Name, s.sql, nil)
	}
	if err := p.Sync(); err != nil {
		return fmt.Errorf("describe statements: %w", err)
	}
	for _, sql := range order {
		result, err := p.GetResults()
		if err != nil {
			return err //nolint:wrapcheck // by SQLSTATE, as if the statement itself had failed
		}
		description, ok := result.(*pgconn.StatementDescription)
		if !ok {
			return fmt.Errorf("describe a statement: unexpected %T", result)
		}
		asked[sql].ParamOIDs, asked[sql].Fields = description.ParamOIDs, description.Fields
		l.known[sql] = asked[sql]
	}
	return nil
}

// nextName is the name to prepare a statement by; empty for one that is only described.
func (l *line) nextName(s statement) string {
	if !l.byName || s.planEach || len(l.known) >= mostPrepared {
		return ""
	}
	l.named++
	return "rollcall_" + strconv.Itoa(l.named)
}

// forget makes everything unknown, at first and after the server found a prepared statement to be stale. What begins and ends
// transactions has neither arguments nor rows, and is not worth a name.
func (l *line) forget() {
	l.known = map[string]*pgconn.StatementDescription{commitStatement: {}}
	for _, begin := range beginStatements {
		l.known[begin], l.known[begin+readOnly] = &pgconn.StatementDescription{}, &pgconn.StatementDescription{}
	}
}

// encode makes the arguments of known statements ready. It comes before anything is sent: what cannot be encoded leaves the
// connection as it was.
func (l *line) encode(statements []statement) ([]pgx.ExtendedQueryBuilder, error) {
	encoded := make([]pgx.ExtendedQueryBuilder, len(statements))
	for i, s := range statements {
		if err := encoded[i].Build(l.conn.TypeMap(), l.known[s.sql], s.args); err != nil {
			return nil, fmt.Errorf("encode the arguments of a statement: %w", err)
		}
	}
	return encoded, nil
}

// send sends statements. The replies come in the same order, and must be closed.
func (l *line) send(ctx context.Context, statements []statement, encoded []pgx.ExtendedQueryBuilder) (*replies, error) {
	p := l.conn.PgConn().StartPipeline(ctx)
	for i, s := range statements {
		description, e := l.known[s.sql], &encoded[i]
		if description.Name == "" {
			p.SendQueryParams(s.sql, e.ParamValues, description.ParamOIDs, e.ParamFormats, e.ResultFormats)
		} else {
			p.SendQueryStatement(description, e.ParamValues, e.ParamFormats, e.ResultFormats)
		}
	}
	r := &replies{line: l, pipeline: p, left: len(statements), traced: l.traceExchange(ctx, statements)}
	if r.err = p.Sync(); r.err != nil {
		_ = r.close()
		return nil, r.err
	}
	return r, nil
}

// replies are the replies of one exchange, read one after the other. After the first error all are that error.
type replies struct {
	line     *line
	pipeline *pgconn.Pipeline
	left     int         // replies that were not read
	traced   func(error) // ends the span; nil when it has ended
	err      error
}

func (r *replies) next() (*pgconn.ResultReader, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.left--
	result, err := r.pipeline.GetResults()
	reader, ok := result.(*pgconn.ResultReader)
	if err == nil && !ok {
		err = fmt.Errorf("a reply is missing: %T", result)
	}
	return reader, r.note(err)
}

// note keeps the first error.
func (r *replies) note(err error) error {
	if r.err == nil && err != nil {
		r.err = err
		switch sqlState(err) {
		case featureNotSupported, protocolViolation:
			r.line.forget()
		}
	}
	return r.err
}

// exec reads the next reply to its end.
func (r *replies) exec() (pgconn.CommandTag, error) {
	reader, err := r.next()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := reader.Close()
	return tag, r.note(err)
}

// rows are those of the next reply.
func (r *replies) rows() (pgx.Rows, error) {
	reader, err := r.next()
	if err != nil {
		return nil, err
	}
	return pgx.RowsFromResultReader(r.line.conn.TypeMap(), reader), nil
}

// close reads what is left. A connection that does not come to the end of the exchange is closed.
func (r *replies) close() error {
	err := r.note(r.pipeline.Close())
	if r.traced != nil {
		r.traced(err)
		r.traced = nil
	}
	return err
}
