package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"
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
	role     string // that runs it; empty: who connects. It stands for the schema too
	planEach bool   // never prepared by name, and planned for its arguments
}

// line is a connection with what is known of the statements on it. It belongs to whoever has the connection.
type line struct {
	conn      *pgx.Conn
	byName    bool      // statements may be prepared: no pooler stands between
	described *sync.Map // by text, shared with the other connections to the server
	prepared  *simplelru.LRU[preparation, *pgconn.StatementDescription]
	surplus   []string // names of statements to be given up with the next exchange
	named     int
	tenants   map[uuid.UUID]struct{} // that it has met
	stale     bool                   // what is prepared is not to be relied on any more
	tracer    pgx.QueryTracer
}

// preparation is what a prepared statement is good for. The server's plan of it depends on the schema, which is the role's, and
// on what the role may see: prepared for one and run for another, the statement is planned anew each time.
type preparation struct{ role, sql string }

// mostPrepared bounds the statements that are prepared on a connection, of some tens of KiB each in the server.
const mostPrepared = 1000

const lineKey = "rollcall.line"

func lineOf(conn *pgx.Conn, described *sync.Map) *line {
	data := conn.PgConn().CustomData()
	if l, known := data[lineKey].(*line); known {
		return l
	}
	config := conn.Config()
	l := &line{
		conn: conn, byName: config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement, tracer: config.Tracer,
		described: described, tenants: map[uuid.UUID]struct{}{},
	}
	l.prepared, _ = simplelru.NewLRU(mostPrepared, func(_ preparation, d *pgconn.StatementDescription) { // fails only for a size below one
		l.surplus = append(l.surplus, d.Name)
	})
	data[lineKey] = l
	return l
}

// plain are the statements that have neither arguments nor rows, and are not worth a name.
var plain = func() map[string]*pgconn.StatementDescription {
	all := map[string]*pgconn.StatementDescription{commitStatement: {}}
	for _, begin := range beginStatements {
		all[begin], all[begin+readOnly] = &pgconn.StatementDescription{}, &pgconn.StatementDescription{}
	}
	return all
}()

// description is what is known of a statement, nil for nothing.
func (l *line) description(sql string) *pgconn.StatementDescription {
	if d := plain[sql]; d != nil {
		return d
	}
	if d, known := l.described.Load(sql); known {
		return d.(*pgconn.StatementDescription) //nolint:forcetypeassert // nothing else is in the map
	}
	return nil
}

// knows reports whether the statements can be sent without being described first.
func (l *line) knows(statements []statement) bool {
	return !slices.ContainsFunc(statements, func(s statement) bool { return l.description(s.sql) == nil })
}

// describe makes statements known, in one exchange. It must run where their tables are in sight.
func (l *line) describe(ctx context.Context, statements []statement) (err error) {
	p := l.conn.PgConn().StartPipeline(ctx)
	defer func() { err = errors.Join(err, p.Close()) }()
	var asked []string
	for _, s := range statements {
		if l.description(s.sql) == nil && !slices.Contains(asked, s.sql) {
			asked = append(asked, s.sql)
			p.SendPrepare("", s.sql, nil)
		}
	}
	if err := p.Sync(); err != nil {
		return fmt.Errorf("describe statements: %w", err)
	}
	for _, sql := range asked {
		result, err := p.GetResults()
		if err != nil {
			return err //nolint:wrapcheck // by SQLSTATE, as if the statement itself had failed
		}
		description, ok := result.(*pgconn.StatementDescription)
		if !ok {
			return fmt.Errorf("describe a statement: unexpected %T", result)
		}
		l.described.Store(sql, description)
	}
	return nil
}

// forget makes everything unknown, after the server found a prepared statement to be stale. The connection goes when it is given back.
func (l *line) forget() {
	l.described.Clear()
	l.stale = true
}

// encode makes the arguments of known statements ready. It comes before anything is sent: what cannot be encoded leaves the
// connection as it was.
func (l *line) encode(statements []statement) ([]pgx.ExtendedQueryBuilder, error) {
	encoded := make([]pgx.ExtendedQueryBuilder, len(statements))
	for i, s := range statements {
		if err := encoded[i].Build(l.conn.TypeMap(), l.description(s.sql), s.args); err != nil {
			return nil, fmt.Errorf("encode the arguments of a statement: %w", err)
		}
	}
	return encoded, nil
}

// send sends statements. The replies come in the same order, and must be closed.
func (l *line) send(ctx context.Context, statements []statement, encoded []pgx.ExtendedQueryBuilder) (*replies, error) {
	r := &replies{line: l, pipeline: l.conn.PgConn().StartPipeline(ctx), left: len(statements), traced: l.traceExchange(ctx, statements)}
	for _, name := range l.surplus {
		r.pipeline.SendDeallocate(name)
	}
	l.surplus = l.surplus[:0]
	for i, s := range statements {
		e, description := &encoded[i], l.description(s.sql)
		if named := r.named(s, description); named != nil {
			r.pipeline.SendQueryStatement(named, e.ParamValues, e.ParamFormats, e.ResultFormats)
		} else {
			r.pipeline.SendQueryParams(s.sql, e.ParamValues, description.ParamOIDs, e.ParamFormats, e.ResultFormats)
		}
	}
	if r.err = r.pipeline.Sync(); r.err != nil {
		_ = r.close()
		return nil, r.err
	}
	return r, nil
}

// replies are the replies of one exchange, read one after the other. After the first error all are that error.
type replies struct {
	line      *line
	pipeline  *pgconn.Pipeline
	left      int                            // replies that were not read
	preparing []*pgconn.StatementDescription // what is prepared in this exchange, in its order
	roles     []string                       // of those
	traced    func(error)                    // ends the span; nil when it has ended
	err       error
}

// named is the prepared statement to run a statement by, which is prepared first if it is not; nil for one that has no name.
func (r *replies) named(s statement, description *pgconn.StatementDescription) *pgconn.StatementDescription {
	if !r.line.byName || s.planEach || plain[s.sql] != nil {
		return nil
	}
	if named, there := r.line.prepared.Get(preparation{s.role, s.sql}); there {
		return named
	}
	for i, p := range r.preparing {
		if p.SQL == s.sql && r.roles[i] == s.role {
			return p
		}
	}
	r.line.named++
	named := &pgconn.StatementDescription{
		Name: "rollcall_" + strconv.Itoa(r.line.named), SQL: s.sql, ParamOIDs: description.ParamOIDs, Fields: description.Fields,
	}
	r.preparing, r.roles = append(r.preparing, named), append(r.roles, s.role)
	r.pipeline.SendPrepare(named.Name, s.sql, named.ParamOIDs)
	return named
}

// prepared notes that the next of the statements has been prepared.
func (r *replies) prepared() {
	r.line.prepared.Add(preparation{r.roles[0], r.preparing[0].SQL}, r.preparing[0])
	r.preparing, r.roles = r.preparing[1:], r.roles[1:]
}

func (r *replies) next() (*pgconn.ResultReader, error) {
	r.left--
	for r.err == nil {
		result, err := r.pipeline.GetResults()
		if r.note(err) != nil {
			break
		}
		switch result := result.(type) {
		case *pgconn.ResultReader:
			return result, nil
		case *pgconn.StatementDescription:
			r.prepared()
		case *pgconn.CloseComplete:
		default:
			return nil, r.note(fmt.Errorf("a reply is missing: %T", result))
		}
	}
	return nil, r.err
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
	for r.left > 0 && r.err == nil {
		_, _ = r.exec()
	}
	err := r.note(r.pipeline.Close())
	if r.traced != nil {
		r.traced(err)
		r.traced = nil
	}
	return err
}
