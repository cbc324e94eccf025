package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// mostDocumentBytes is the longest document that is read from a server.
const mostDocumentBytes = 16 << 20

// Served compiles the document that a server serves.
func Served(ctx context.Context, client *http.Client, baseURL string) (*contract.Contract, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/openapi.json", nil)
	if err != nil {
		return nil, fmt.Errorf("--base-url: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its document: %w", baseURL, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s for its document: %s; is this a Rollcall server?", baseURL, response.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, mostDocumentBytes))
	if err != nil {
		return nil, fmt.Errorf("read the document of %s: %w", baseURL, err)
	}
	return contract.Compile(raw)
}

// Compare says in a sentence how the document of a server differs from another; empty when it does not.
func Compare(mine, served *contract.Contract) string {
	if sameJSON(mine.JSON, served.JSON) {
		return ""
	}
	var differences []string
	for _, side := range []struct {
		words   string
		in, out *contract.Contract
	}{{"only the server has", served, mine}, {"the server lacks", mine, served}} {
		var ids []string
		for _, id := range slices.Sorted(maps.Keys(side.in.Operations)) {
			if side.out.Operations[id] == nil {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			differences = append(differences, side.words+" "+strings.Join(ids, ", "))
		}
	}
	if len(differences) == 0 {
		return "the operations are the same, what is said of them is not"
	}
	return strings.Join(differences, "; ")
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
