//go:build testbed

package testbed

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB Local keeps items, and is strict where moto is lenient.
func TestDynamoDB(t *testing.T) {
	d := DynamoDBLocal(t)
	client := d.Client(t)
	table := d.Table(t, TableKey{"id", types.ScalarAttributeTypeS}, TableKey{"at", types.ScalarAttributeTypeN})
	for i := range 30 {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: numbered(i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Count(t, table); n != 30 {
		t.Errorf("%d items, want 30", n)
	}
	seen := map[string]bool{}
	for _, item := range d.Items(t, table) {
		seen[item["id"].(*types.AttributeValueMemberS).Value+item["at"].(*types.AttributeValueMemberN).Value] = true
	}
	if len(seen) != 30 || !seen["item-77"] {
		t.Errorf("items %v", seen)
	}
	for name, writes := range map[string][]int{"two of a key": {1, 1}, "26 items": numbers(26)} {
		var batch []types.WriteRequest
		for _, i := range writes {
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: numbered(i)}})
		}
		_, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
		if err == nil || !strings.Contains(err.Error(), "ValidationException") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func numbered(i int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: fmt.Sprintf("item-%d", i)}, "at": &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
	}
}

func numbers(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// A condition that doesn't hold is an answer of its own.
func TestDynamoDBCondition(t *testing.T) {
	d := DynamoDBLocal(t)
	table := d.Table(t, TableKey{"id", types.ScalarAttributeTypeS})
	put := &dynamodb.PutItemInput{
		TableName: &table, ConditionExpression: aws.String("attribute_not_exists(id)"),
		Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
	}
	if _, err := d.Client(t).PutItem(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	_, err := d.Client(t).PutItem(t.Context(), put)
	if refused := new(types.ConditionalCheckFailedException); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
}
