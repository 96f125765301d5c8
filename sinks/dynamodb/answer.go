package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
)

// object: the answer looks like one of DynamoDB, and not like one of a proxy.
func object(reply []byte) bool {
	return len(reply) > 1 && reply[0] == '{' && reply[len(reply)-1] == '}'
}

// processed: the answer to a BatchWriteItem says in the shortest way that all was written.
func processed(reply []byte) bool {
	return object(reply) && bytes.Contains(reply, []byte(`"UnprocessedItems":{}`))
}

// unprocessed are the items, or keys, that an answer to a BatchWriteItem gives back.
func unprocessed(reply []byte) ([]map[string]json.RawMessage, error) {
	type attributes = map[string]json.RawMessage
	var answer struct {
		UnprocessedItems map[string][]struct {
			PutRequest    struct{ Item attributes }
			DeleteRequest struct{ Key attributes }
		}
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	if answer.UnprocessedItems == nil {
		return nil, errForeign
	}
	var all []attributes
	for _, requests := range answer.UnprocessedItems {
		for _, r := range requests {
			if r.PutRequest.Item != nil {
				all = append(all, r.PutRequest.Item)
			} else {
				all = append(all, r.DeleteRequest.Key)
			}
		}
	}
	return all, nil
}

// counted reports whether the item in an answer whose condition didn't hold has counted the row's record, by the attribute for its source.
func counted(body []byte, counter string, x *row) bool {
	var answer struct {
		Item map[string]json.RawMessage
	}
	var stored struct{ N string }
	if json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer.Item[counter], &stored) != nil {
		return false // the request that only adds finds out
	}
	theirs, ok := new(big.Rat).SetString(stored.N)
	if !ok {
		return false
	}
	ours, ok := new(big.Rat).SetString(string(appendPosition(nil, x.offset, x.index)))
	return ok && theirs.Cmp(ours) >= 0
}
