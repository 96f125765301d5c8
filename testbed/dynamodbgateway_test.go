//go:build testbed

package testbed

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What a batch leaves out is what the table doesn't have; what was refused isn't there; what was dropped is.
func TestDynamoDBGatewayBatches(t *testing.T) {
	d := DynamoDBLocal(t)
	gateway := StartDynamoDBGateway(t, d.Endpoint, DynamoDBFaultOptions{Share: 0.7, Seed: 1})
	client := d.At(gateway.Endpoint).Client(t)
	table := d.Table(t, TableKey{"id", types.ScalarAttributeTypeS}, TableKey{"at", types.ScalarAttributeTypeN})
	said := map[string]int{}
	there, unknown := 0, 0
	const batches, size = 60, 25
	for b := range batches {
		var batch []types.WriteRequest
		for i := range size {
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: numbered(b*size + i)}})
		}
		answer, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
		switch kind := refusal(err); kind {
		case "":
			there += size - len(answer.UnprocessedItems[table])
		case "connection":
			unknown++
			said[kind]++
		default:
			said[kind]++
		}
	}
	f := gateway.Faults()
	if n := d.Count(t, table); n != there+unknown*size {
		t.Errorf("the table has %d items, want %d that were answered and those of %d dropped answers", n, there, unknown)
	}
	if said["connection"] != f.Dropped || said["InternalServerError"] != f.Failed ||
		said["ProvisionedThroughputExceededException"]+said["ThrottlingException"] != f.Throttled || f.Requests != batches {
		t.Errorf("the client heard %v, the gateway counts %v", said, f)
	}
	if f.Unprocessed == 0 || f.Items < f.Unprocessed || f.Dropped == 0 || f.Failed == 0 || f.Throttled == 0 || f.Late != 0 {
		t.Errorf("faults %v", f)
	}
	if want := batches*size - f.Items - (f.Failed+f.Throttled)*size; d.Count(t, table) != want {
		t.Errorf("the table has %d items, want %d", d.Count(t, table), want)
	}
}

// refusal is the code of an error, "" without one.
func refusal(err error) string {
	var code interface{ ErrorCode() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &code):
		return code.ErrorCode()
	case strings.Contains(err.Error(), "EOF"):
		return "connection"
	}
	return err.Error()
}

// A conditional write that comes late finds that it is too old. What has no condition is never late.
func TestDynamoDBGatewayIsLate(t *testing.T) {
	d := DynamoDBLocal(t)
	gateway := StartDynamoDBGateway(t, d.Endpoint, DynamoDBFaultOptions{Share: 0.9, Seed: 2, Late: 400 * time.Millisecond})
	client := d.At(gateway.Endpoint).Client(t)
	table := d.Table(t, TableKey{"id", types.ScalarAttributeTypeS})
	id := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}}
	for i := range 40 {
		update := &dynamodb.UpdateItemInput{
			TableName: &table, Key: id, UpdateExpression: aws.String("SET n = :n"),
			ConditionExpression:       aws.String("attribute_not_exists(n) OR n < :n"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: fmt.Sprint(i)}},
		}
		for {
			refused := new(types.ConditionalCheckFailedException)
			if _, err := client.UpdateItem(t.Context(), update); err == nil || errors.As(err, &refused) {
				break
			}
		}
	}
	gateway.Settle()
	f := gateway.Faults()
	if n := d.Items(t, table)[0]["n"].(*types.AttributeValueMemberN).Value; n != "39" {
		t.Errorf("n is %s", n)
	}
	if f.Late == 0 || f.LateRefused == 0 || f.Items != 0 {
		t.Errorf("faults %v", f)
	}
	if sent, refused, err := gateway.Replay(t.Context()); sent < 40 || refused != sent || err != nil {
		t.Errorf("%d old writes were sent again, %d were refused: %v", sent, refused, err)
	}
	gateway.Set(0)
	for range 20 {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: id}); err != nil {
			t.Fatal(err)
		}
	}
	gateway.Set(1)
	for range 20 {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: id}); refusal(err) == "" {
			t.Error("a share of 1 left a request alone")
		}
	}
	if after := gateway.Faults(); after.Late != f.Late {
		t.Errorf("%d writes without a condition were held back", after.Late-f.Late)
	}
}
