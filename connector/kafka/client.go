package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Client makes a client that reaches the brokers by the settings' auth and tls, for programs that do more with a cluster than read a topic. No group
// is joined. opts come before the settings' own Options. done closes the client.
func (c Config) Client(ctx context.Context, opts ...kgo.Opt) (client *kgo.Client, done func(), err error) {
	access, err := c.route().open(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, err = kgo.NewClient(append(append(access.clientOptions(), opts...), c.Options...)...)
	if err != nil {
		access.close()
		return nil, nil, fmt.Errorf("kafka options: %w", err)
	}
	return client, func() {
		client.Close()
		access.close()
	}, nil
}
