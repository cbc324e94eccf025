package plans

// Params are the names of a query's parameters.
func (q Query) Params() []string { return q.params }
