package db

// BatchResults are the results of one generated batch (sqlc's :batchexec).
type BatchResults interface {
	Exec(each func(i int, err error))
}

// RunBatch runs a batch and returns its first failure with the place of its row; what fails after it is only its echo.
func RunBatch(results BatchResults) (at int, err error) {
	results.Exec(func(i int, failure error) {
		if failure != nil && err == nil {
			at, err = i, failure
		}
	})
	return at, err
}
