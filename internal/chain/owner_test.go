package chain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

var (
	ownerA = chain.Owner{Connector: "a", Group: "g", Cluster: "c"}
	ownerB = chain.Owner{Connector: "a", Group: "g", Cluster: "d"}
)

func claimed(t *testing.T) *chaintest.Memory {
	t.Helper()
	m := chaintest.NewMemory(chaintest.Options{})
	if ok, err := chain.Claim(t.Context(), m, "s3://b", "lake", "main", ownerA); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return m
}

// Who finds another cluster is told of move; a stranger isn't.
func TestClaimSaysWhatToDo(t *testing.T) {
	m := claimed(t)
	for _, test := range []struct {
		other chain.Owner
		move  bool
	}{{ownerB, true}, {chain.Owner{Connector: "b", Group: "g", Cluster: "d"}, false}, {chain.Owner{Connector: "a", Group: "h", Cluster: "c"}, false}} {
		_, err := chain.Claim(t.Context(), m, "s3://b", "lake", "main", test.other)
		if err == nil || strings.Contains(err.Error(), "millrace move says where to begin there") != test.move || !strings.Contains(err.Error(), "another prefix, or another chain name") {
			t.Errorf("%+v: %v", test.other, err)
		}
	}
}

func TestTenure(t *testing.T) {
	m := claimed(t)
	if tenure, err := chain.TenureOf(t.Context(), m, "s3://b", "lake", "other", ownerB); err != nil || tenure.Claimed {
		t.Error(tenure, err)
	}
	tenure, err := chain.TenureOf(t.Context(), m, "s3://b", "lake", "main", ownerB)
	if err != nil || !tenure.Claimed || tenure.Owner != ownerA {
		t.Error(tenure, err)
	}
	for _, other := range []chain.Owner{{Connector: "b", Group: "g", Cluster: "d"}, {Connector: "a", Group: "h", Cluster: "d"}} {
		if _, err := chain.TenureOf(t.Context(), m, "s3://b", "lake", "main", other); connector.ClassOf(err) != connector.Fatal || strings.Contains(err.Error(), "millrace move") {
			t.Errorf("%+v: %v", other, err)
		}
	}
}

// A chain is handed over once, whatever becomes of the answer; who read it before that is refused.
func TestHand(t *testing.T) {
	m := claimed(t)
	tenure, err := chain.TenureOf(t.Context(), m, "s3://b", "lake", "main", ownerB)
	if err != nil {
		t.Fatal(err)
	}
	silent := m.View(func(call, _ string) chaintest.Fault {
		if call == "Replace" {
			return chaintest.Fault{Fate: chaintest.Silent}
		}
		return chaintest.Fault{}
	})
	if err := tenure.Hand(t.Context(), silent, "s3://b", "lake", "main", ownerB); connector.ClassOf(err) != connector.Retryable {
		t.Error(err)
	}
	for range 2 {
		if err := tenure.Hand(t.Context(), m, "s3://b", "lake", "main", ownerB); err != nil {
			t.Error("the answer was lost, and so:", err)
		}
	}
	if ok, err := chain.Claim(t.Context(), m, "s3://b", "lake", "main", ownerB); !ok || err != nil {
		t.Error(ok, err)
	}
	third := ownerB
	third.Cluster = "e"
	if err := tenure.Hand(t.Context(), m, "s3://b", "lake", "main", third); connector.ClassOf(err) != connector.Lost || !strings.Contains(err.Error(), "was changed meanwhile") {
		t.Error(err)
	}
	plain := struct{ chain.Store }{m}
	if err := tenure.Hand(t.Context(), plain, "s3://b", "lake", "main", third); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "remove it") {
		t.Error(err)
	}
}

// Chains finds every folder, whatever else lies there, and Newest the last of more links than one page holds.
func TestChains(t *testing.T) {
	m := claimed(t)
	var want []string
	for _, cluster := range []string{"c", "d"} {
		for _, p := range []int32{0, 1, 10, 2} {
			at := chain.ID{Prefix: "lake", Chain: "main", Cluster: cluster, TopicID: [16]byte{1}, Partition: p}
			want = append(want, at.Dir())
			for seq := range int64(3) {
				l := &chain.Link{Version: chain.Version, Kind: chain.KindSeal, Seq: seq, Attempt: "x"}
				if seq == 0 {
					l.Kind, l.Topic = chain.KindRoot, "cars"
				}
				if err := m.Put(t.Context(), at.Key(seq), l.Encode()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	long := chain.ID{Prefix: "lake", Chain: "main", Cluster: "c", TopicID: [16]byte{1}, Partition: 10}
	for seq := int64(3); seq < 2100; seq++ {
		l := &chain.Link{Version: chain.Version, Kind: chain.KindSeal, Seq: seq, Attempt: "x"}
		if err := m.Put(t.Context(), long.Key(seq), l.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{long.ColumnsKey(), long.Dir() + "stray", "lake/_millrace/main/x/00000000000000000001.json"} {
		if err := m.Put(t.Context(), key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	found, err := chain.Chains(t.Context(), m, "lake", "main")
	var got []string
	for _, at := range found {
		got = append(got, at.Dir())
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n%q\n%q", err, got, want)
	}
	if l, err := chain.Newest(t.Context(), m, long); err != nil || l.Seq != 2099 {
		t.Error(l, err)
	}
	if l, err := chain.Newest(t.Context(), m, chain.ID{Prefix: "lake", Chain: "main", Cluster: "z"}); l != nil || err != nil {
		t.Error(l, err)
	}
	if root, err := chain.ReadLink(t.Context(), m, long, 0); err != nil || root.Topic != "cars" {
		t.Error(root, err)
	}
	if _, err := chain.ReadLink(t.Context(), m, long, 9999); !errors.Is(err, chain.ErrMissing) {
		t.Error(err)
	}
}
