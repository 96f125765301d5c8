package testbed

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// An EventBus is a bus of moto's EventBridge, which takes any keys, and events and requests of any size.
type EventBus struct {
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string
	Name      string
	ARN       string
}

// EventBus makes a bus in moto that is named after the test and deleted with it.
func (s *S3) EventBus(t testing.TB) *EventBus {
	t.Helper()
	b := s.NoEventBus(t)
	b.Create(t)
	return b
}

// NoEventBus is a bus that doesn't exist until [EventBus.Create].
func (s *S3) NoEventBus(t testing.TB) *EventBus {
	t.Helper()
	name := Name(t)
	return &EventBus{
		Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
		Name: name[max(0, len(name)-60):], // rules' names, which are made of it, have at most 64 bytes
	}
}

// Create makes the bus, to be deleted with the test.
func (b *EventBus) Create(t testing.TB) {
	t.Helper()
	made, err := b.client().CreateEventBus(deadline(t), &eventbridge.CreateEventBusInput{Name: &b.Name})
	if err != nil {
		t.Fatalf("create event bus %s: %v", b.Name, err)
	}
	b.ARN = aws.ToString(made.EventBusArn)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		_, _ = b.client().DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &b.Name}) // best effort: moto may be down
	})
}

// Client returns a client that doesn't retry, so that a test sees the answers.
func (b *EventBus) Client(t testing.TB) *eventbridge.Client {
	t.Helper()
	return b.client()
}

func (b *EventBus) client() *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // a test that looks for leaks finds no idle connection
		BaseEndpoint: &b.Endpoint, Region: b.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(b.AccessKey, b.SecretKey, ""),
	})
}

// An EventQueue is a queue of SQS that the events of a rule go to. Its methods are called by one goroutine.
type EventQueue struct {
	url    string
	client *sqs.Client
}

// An Event is what a target of EventBridge is given.
type Event struct {
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Queue makes a rule with a pattern ({"source": ["a"]}) whose events go to a queue of its own.
func (b *EventBus) Queue(t testing.TB, pattern string) *EventQueue {
	t.Helper()
	name := strings.ReplaceAll(Name(t), ".", "-")
	name = name[max(0, len(name)-60):]
	q := &EventQueue{client: sqs.New(sqs.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		BaseEndpoint: &b.Endpoint, Region: b.Region,
		Credentials: credentials.NewStaticCredentialsProvider(b.AccessKey, b.SecretKey, ""),
	})}
	ctx := deadline(t)
	made, err := q.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatalf("create queue %s: %v", name, err)
	}
	q.url = aws.ToString(made.QueueUrl)
	t.Cleanup(func() { b.remove(name, q) })
	about, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatalf("ask for the ARN of queue %s: %v", name, err)
	}
	if _, err := b.client().PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &b.Name, EventPattern: &pattern}); err != nil {
		t.Fatalf("make a rule of bus %s: %v", b.Name, err)
	}
	put, err := b.client().PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &b.Name, Targets: []ebtypes.Target{
		{Id: aws.String("queue"), Arn: aws.String(about.Attributes[string(sqstypes.QueueAttributeNameQueueArn)])}}})
	if err != nil || put.FailedEntryCount > 0 {
		t.Fatalf("make the target of a rule of bus %s: %v", b.Name, err)
	}
	return q
}

// remove deletes a rule and its queue: moto keeps a bus that has rules.
func (b *EventBus) remove(name string, q *EventQueue) {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	// Best effort: moto may be down.
	_, _ = b.client().RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &name, EventBusName: &b.Name, Ids: []string{"queue"}})
	_, _ = b.client().DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name, EventBusName: &b.Name})
	_, _ = q.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &q.url})
}

// Receive takes events from the queue until it has n of them, and then all others that are there. It fails the test if they don't come within a minute.
func (q *EventQueue) Receive(t testing.TB, n int) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*adminTimeout)
	defer cancel()
	var events []Event
	for {
		got, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatalf("receive events: after %d of %d: %v", len(events), n, err)
		}
		if len(got.Messages) == 0 && len(events) >= n {
			return events
		}
		for _, m := range got.Messages {
			var e Event
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &e); err != nil {
				t.Fatalf("an event is no JSON: %v: %.200s", err, aws.ToString(m.Body))
			}
			events = append(events, e)
			if _, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatalf("delete a message: %v", err)
			}
		}
	}
}
