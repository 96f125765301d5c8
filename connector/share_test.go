package connector_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// shared is a sink that is told its share.
type shared struct {
	*sink
	told []string
}

func (s *shared) Share(owned, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf("%d/%d", owned, all))
}

func (s *shared) shares() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// A loader hears of every change of what its process owns, and of nothing but its own.
func TestShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(1)...)
		log.Append(p1, numbered(1)...)
		log.Append(connector.Partition{Topic: "cars", ID: 2}, numbered(1)...)
		s := &shared{sink: newSink()}
		r := start(t, log, loading(s))
		r.consumer.Assign(p0, p1)
		r.waitCommitted(p0, 1)
		r.consumer.Revoke(t.Context(), p0)
		r.consumer.Lose(p1)
		if got, want := s.shares(), []string{"0/0", "2/3", "1/3", "0/3"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}
