package plans

// Params are the names of a query's parameters.
func (q Query) Params() []string { return q.params }

// Bound is how much a query's comment allows to be read.
func (q Query) Bound() int64 { return q.exception.rows }
