package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

// check asks for the table, and compares its key with the settings.
func (s *Sink) check(ctx context.Context, c Config) error {
	request := append(append([]byte(`{"TableName":`), s.table...), '}')
	reply, err := s.client.Call(ctx, opDescribe, request, nil)
	if a := awsjson.Refusal(err); a != nil && a.Code == codeNoTable {
		return connector.Systemic.Errorf("table: there is no %s in %s: set table, region or endpoint (%w)", c.Table, s.place(c), err)
	}
	if err != nil {
		return err
	}
	table, err := parseTable(reply)
	if err != nil {
		return fmt.Errorf("read what %s says of table %s: %w", s.place(c), c.Table, err)
	}
	switch table.TableStatus {
	case "ACTIVE", "UPDATING":
	case "INACCESSIBLE_ENCRYPTION_CREDENTIALS":
		return connector.Systemic.Errorf("table %s can't be used: its KMS key is disabled, or DynamoDB has no right to it any more", c.Table)
	case "CREATING":
		return connector.Retryable.Errorf("table %s is being created", c.Table)
	default:
		return connector.Systemic.Errorf("table %s can't be written to: its status is %s", c.Table, table.TableStatus)
	}
	keys, err := table.keys()
	if err == nil {
		err = s.items.bind(keys)
	}
	if err != nil {
		return connector.Systemic.Errorf("table %s in %s: %w", c.Table, s.place(c), err)
	}
	return nil
}

// place is where the table is looked for.
func (s *Sink) place(c Config) string {
	if c.Endpoint == "" {
		return "Region " + s.client.Region()
	}
	return "Region " + s.client.Region() + " at " + c.Endpoint
}

// A tableAnswer is what is needed of a DescribeTable's answer.
type tableAnswer struct {
	TableStatus          string
	KeySchema            []struct{ AttributeName, KeyType string }
	AttributeDefinitions []struct{ AttributeName, AttributeType string }
}

func parseTable(reply []byte) (tableAnswer, error) {
	var answer struct{ Table tableAnswer }
	if err := json.Unmarshal(reply, &answer); err != nil || answer.Table.TableStatus == "" {
		return tableAnswer{}, errForeign
	}
	return answer.Table, nil
}

func (t tableAnswer) keys() (tableKeys, error) {
	var keys tableKeys
	for _, k := range t.KeySchema {
		a := keyAttribute{name: k.AttributeName}
		for _, d := range t.AttributeDefinitions {
			if d.AttributeName == a.name {
				a.kind = d.AttributeType
			}
		}
		switch {
		case a.kind != "S" && a.kind != "N" && a.kind != "B":
			return keys, fmt.Errorf("its key attribute %q is of type %q, which isn't one of keys", a.name, a.kind)
		case k.KeyType == "HASH":
			keys.partition = a
		default:
			keys.sort = a
		}
	}
	if keys.partition.name == "" {
		return keys, fmt.Errorf("it has no partition key")
	}
	return keys, nil
}
