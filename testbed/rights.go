package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Allow gives a principal ("User:alice", "User:CN=alice", "User:arn:aws:...") rights, and returns when they hold. The name "*" is
// every name, "orders-*" every one that begins so; the cluster's is "kafka-cluster":
//
//	b.Allow(t, "User:alice", kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationRead)
//	b.Allow(t, "User:alice", kmsg.ACLResourceTypeGroup, group, kmsg.ACLOperationRead)
func (b *SecureBrokers) Allow(t testing.TB, principal string, on kmsg.ACLResourceType, name string, operations ...kmsg.ACLOperation) {
	t.Helper()
	what := fmt.Sprintf("allow %s %v on %v %s", principal, operations, on, name)
	rules := rules(principal, on, name, operations)
	done, err := b.Admin(t).CreateACLs(deadline(t), rules)
	for _, r := range done {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	b.awaitACLs(t, what, rules, len(operations))
}

// Deny takes away rights that Allow gave, and returns when they are gone.
func (b *SecureBrokers) Deny(t testing.TB, principal string, on kmsg.ACLResourceType, name string, operations ...kmsg.ACLOperation) {
	t.Helper()
	what := fmt.Sprintf("deny %s %v on %v %s", principal, operations, on, name)
	rules := rules(principal, on, name, operations)
	done, err := b.Admin(t).DeleteACLs(deadline(t), rules)
	for _, r := range done {
		err = errors.Join(err, r.Err)
		if r.Err == nil && len(r.Deleted) == 0 {
			err = errors.Join(err, errors.New("it wasn't allowed"))
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	b.awaitACLs(t, what, rules, 0)
}

func rules(principal string, on kmsg.ACLResourceType, name string, operations []kmsg.ACLOperation) *kadm.ACLBuilder {
	r := kadm.NewACLs().Allow(principal).AllowHosts("*").Operations(operations...).ResourcePatternType(kadm.ACLPatternLiteral)
	if prefix, ok := strings.CutSuffix(name, "*"); ok && prefix != "" {
		r.ResourcePatternType(kadm.ACLPatternPrefixed)
		name = prefix
	}
	switch on {
	case kmsg.ACLResourceTypeTopic:
		r.Topics(name)
	case kmsg.ACLResourceTypeGroup:
		r.Groups(name)
	case kmsg.ACLResourceTypeTransactionalId:
		r.TransactionalIDs(name)
	case kmsg.ACLResourceTypeCluster:
		r.Clusters()
	}
	return r // kadm refuses one without a resource
}

// awaitACLs waits until the node's authorizer, which hears of changes from the quorum, knows n of the rules.
func (b *SecureBrokers) awaitACLs(t testing.TB, what string, rules *kadm.ACLBuilder, n int) {
	t.Helper()
	admin, ctx := b.Admin(t), deadline(t)
	eventually(t, ctx, what, func() error {
		found, err := admin.DescribeACLs(ctx, rules)
		known := 0
		for _, r := range found {
			err = errors.Join(err, r.Err)
			known += len(r.Described)
		}
		if err == nil && known != n {
			err = fmt.Errorf("%d of the rules are known", known)
		}
		return err
	})
}

// SetQuota limits what clients may fetch (consumer_byte_rate), in bytes per second on average: a user's, given without "User:", those with
// a client id, or with "" for either the clients of the other alone. The rate 0 lifts it.
func (b *SecureBrokers) SetQuota(t testing.TB, user, clientID string, bytesPerSecond int) {
	t.Helper()
	var entity kadm.ClientQuotaEntity
	var match []kadm.DescribeClientQuotaComponent
	for _, c := range []struct{ kind, name string }{{"user", user}, {"client-id", clientID}} {
		if c.name != "" {
			entity = append(entity, kadm.ClientQuotaEntityComponent{Type: c.kind, Name: &c.name})
			match = append(match, kadm.DescribeClientQuotaComponent{Type: c.kind, MatchName: &c.name})
		}
	}
	what := fmt.Sprintf("limit %v to %d bytes per second", entity, bytesPerSecond)
	admin, ctx := b.Admin(t), deadline(t)
	done, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: []kadm.AlterClientQuotaOp{
		{Key: "consumer_byte_rate", Value: float64(bytesPerSecond), Remove: bytesPerSecond == 0},
	}}})
	for _, q := range done {
		err = errors.Join(err, q.Err)
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	eventually(t, ctx, what, func() error {
		found, err := admin.DescribeClientQuotas(ctx, true, match)
		rate := 0
		for _, q := range found {
			for _, v := range q.Values {
				rate = int(v.Value)
			}
		}
		if err == nil && rate != bytesPerSecond {
			err = fmt.Errorf("the limit is still %d", rate)
		}
		return err
	})
}

// SetPassword makes a user of SCRAM, with both mechanisms, or gives it another password; it returns when this one is taken and the old one
// isn't any more. Connections that were made with the old one go on until they have to authenticate again.
func (b *SecureBrokers) SetPassword(t testing.TB, user, password string) {
	t.Helper()
	ctx := deadline(t)
	admin := b.Admin(t)
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} { // Kafka takes a user only once in a request
		done, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: user, Mechanism: m, Iterations: 4096, Password: password}})
		if err == nil {
			err = done.Error()
		}
		if err != nil {
			t.Fatalf("set the password of %s: %v", user, err)
		}
	}
	auth := scram.Auth{User: user, Pass: password}
	dial := b.DialTLS(t)
	eventually(t, ctx, "log in with the new password of "+user, func() error {
		for _, mechanism := range []kgo.Opt{kgo.SASL(auth.AsSha256Mechanism()), kgo.SASL(auth.AsSha512Mechanism())} {
			if err := b.tryLogin(ctx, dial, mechanism); err != nil {
				return err
			}
		}
		return nil
	})
}

type dialer = func(context.Context, string, string) (net.Conn, error)

// tryLogin authenticates on the listener SCRAM once.
func (b *SecureBrokers) tryLogin(ctx context.Context, dial dialer, mechanism kgo.Opt) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr(SCRAM)), kgo.Dialer(dial), mechanism)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ping(ctx)
}
