package kafka

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector/secret"
)

// However often brokers refuse, a secret is asked for anew only now and then.
func TestRenewalsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &place{texts: []string{canary}}
		c := credential{name: "password", text: secret.From(at)}
		begin := time.Now()
		for time.Since(begin) < 4*renewal {
			if _, err := c.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.refused()
			time.Sleep(renewal / 10)
		}
		if len(at.refused) != 4 {
			t.Errorf("%d renewals in %s", len(at.refused), 4*renewal)
		}
	})
}
