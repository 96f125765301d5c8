package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// sendAll reads the topic and hands each batch of records to one of callsInFlight senders.
func sendAll(ctx context.Context, s settings, batch int, send func(ctx context.Context, rs []*kgo.Record) error) error {
	senders, ctx := errgroup.WithContext(ctx)
	full := make(chan []*kgo.Record)
	for range callsInFlight {
		senders.Go(func() error {
			for rs := range full {
				if err := send(ctx, rs); err != nil {
					return err
				}
			}
			return nil
		})
	}
	hand := func(rs []*kgo.Record) error {
		select {
		case full <- rs:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := consume(ctx, s, func(int32) (worker, error) { return &gatherer{hand: hand, batch: batch}, nil })
	close(full)
	if failed := senders.Wait(); failed != nil {
		return failed // the reader's says only that it was ended
	}
	return err
}

// A gatherer cuts a partition's records into batches.
type gatherer struct {
	hand  func(rs []*kgo.Record) error
	batch int
	rs    []*kgo.Record
}

func (g *gatherer) take(r *kgo.Record) error {
	g.rs = append(g.rs, r)
	if len(g.rs) < g.batch {
		return nil
	}
	return g.end()
}

func (g *gatherer) end() error {
	if len(g.rs) == 0 {
		return nil
	}
	rs := g.rs
	g.rs = make([]*kgo.Record, 0, g.batch)
	return g.hand(rs)
}

// awsClient is an HTTP client of the SDK that keeps the connections of all requests under way; it would keep 10.
func awsClient() aws.HTTPClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = callsInFlight })
}

func dynamoClient(s settings) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &s.aws, Region: callRegion, HTTPClient: awsClient(),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(callKey, callKey, "")),
	})
}

// A tripRecord is a trip, as a program decodes it that knows its fields; numbers go on as they are written.
type tripRecord struct {
	TripID    string      `json:"trip_id"`
	CarID     string      `json:"car_id"`
	Driver    string      `json:"driver"`
	StartTS   json.Number `json:"start_ts"`
	DistanceM json.Number `json:"distance_m"`
	Speed     json.Number `json:"speed"`
	Pos       struct {
		Lng json.Number `json:"lng"`
		Lat json.Number `json:"lat"`
	} `json:"pos"`
	Status string      `json:"status"`
	City   string      `json:"city"`
	Tags   []string    `json:"tags"`
	Seq    json.Number `json:"seq"`
}

func tripItem(value []byte) (map[string]types.AttributeValue, error) {
	var t tripRecord
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, err
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n json.Number) types.AttributeValue { return &types.AttributeValueMemberN{Value: n.String()} }
	tags := make([]types.AttributeValue, len(t.Tags))
	for i, tag := range t.Tags {
		tags[i] = text(tag)
	}
	return map[string]types.AttributeValue{
		tableKey: text(t.TripID), "car_id": text(t.CarID), "driver": text(t.Driver), "start_ts": number(t.StartTS), "distance_m": number(t.DistanceM),
		"speed": number(t.Speed), "pos": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"lng": number(t.Pos.Lng), "lat": number(t.Pos.Lat)}},
		"status": text(t.Status), "city": text(t.City), "tags": &types.AttributeValueMemberL{Value: tags}, "seq": number(t.Seq),
	}, nil
}

func floorDynamoDB(ctx context.Context, s settings) error {
	client := dynamoClient(s)
	return sendAll(ctx, s, batchWriteItems, func(ctx context.Context, rs []*kgo.Record) error {
		writes := make([]types.WriteRequest, len(rs))
		for i, r := range rs {
			item, err := tripItem(r.Value)
			if err != nil {
				return err
			}
			writes[i].PutRequest = &types.PutRequest{Item: item}
		}
		out, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tableName: writes}})
		if err == nil && len(out.UnprocessedItems) > 0 {
			err = fmt.Errorf("items weren't processed: %v", out.UnprocessedItems)
		}
		return err
	})
}

// floorDynamoDBNewest puts each item unless a later trip is there.
func floorDynamoDBNewest(ctx context.Context, s settings) error {
	client := dynamoClient(s)
	return sendAll(ctx, s, 1, func(ctx context.Context, rs []*kgo.Record) error {
		item, err := tripItem(rs[0].Value)
		if err != nil {
			return err
		}
		_, err = client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String(tableName), Item: item, ConditionExpression: aws.String("attribute_not_exists(seq) OR seq < :seq"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":seq": item["seq"]},
		})
		return err
	})
}

func floorEventBridge(ctx context.Context, s settings) error {
	client := eventbridge.New(eventbridge.Options{
		BaseEndpoint: &s.aws, Region: callRegion, HTTPClient: awsClient(),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(callKey, callKey, "")),
	})
	return sendAll(ctx, s, eventEntries, func(ctx context.Context, rs []*kgo.Record) error {
		entries := make([]ebtypes.PutEventsRequestEntry, len(rs))
		for i, r := range rs {
			entries[i] = entryOf(r)
		}
		out, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
		if err == nil && out.FailedEntryCount > 0 {
			err = fmt.Errorf("%d entries failed", out.FailedEntryCount)
		}
		return err
	})
}

func entryOf(r *kgo.Record) ebtypes.PutEventsRequestEntry {
	detail := string(appendDetail(nil, r))
	return ebtypes.PutEventsRequestEntry{
		Source: aws.String("kafka-connect.bench"), DetailType: aws.String("kafka-connect-" + r.Topic), Detail: &detail,
		EventBusName: aws.String(busName), Resources: []string{},
	}
}

// appendDetail appends the connector's envelope. The value is taken for JSON, and the key for text without special characters.
func appendDetail(dst []byte, r *kgo.Record) []byte {
	dst = append(append(append(dst, `{"topic":"`...), r.Topic...), `","partition":`...)
	dst = append(strconv.AppendInt(dst, int64(r.Partition), 10), `,"offset":`...)
	dst = append(strconv.AppendInt(dst, r.Offset, 10), `,"timestamp":`...)
	dst = append(strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10), `,"timestampType":"CreateTime","headers":[],"key":"`...)
	dst = append(append(append(dst, r.Key...), `","value":`...), r.Value...)
	return append(dst, '}')
}
