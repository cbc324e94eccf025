package page

// IsBehind and Reachable are what List.Read decides by.
func (r Request[K]) IsBehind(counted int64) bool   { return r.isBehind(counted) }
func (r Request[K]) Reachable(counted int64) error { return r.reachable(counted) }
