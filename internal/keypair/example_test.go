package keypair_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/millrace/millrace/internal/keypair"
)

// The files are read at each connection, so that a renewal needs no restart.
func ExampleReloader() {
	read := func(context.Context) (keypair.Parts, error) {
		cert, err := os.ReadFile("testdata/chain.pem")
		if err != nil {
			return keypair.Parts{}, err
		}
		key, err := os.ReadFile("testdata/pbes1-sha1-3des.key")
		return keypair.Parts{Certificate: cert, Key: key, Password: "testpassword"}, err
	}
	pair := keypair.NewReloader(read, func(e keypair.Event) {
		// to the log: e.Certificate.Subject, e.Certificate.NotAfter, e.Problem
	})
	connect(&tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: pair.ClientCertificate})

	first, err := pair.Certificate(context.Background())
	fmt.Println(first.Leaf.Subject, len(first.Certificate), err)
	// Output: CN=Test Client,O=Millrace 3 <nil>
}

func connect(*tls.Config) {}

func ExampleError() {
	_, err := keypair.ParseSecret(`{"username": "alice", "password": "..."}`)
	var problem *keypair.Error
	fmt.Println(errors.As(err, &problem))
	// Output: true
}
